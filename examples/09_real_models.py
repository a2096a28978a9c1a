"""Real models: OpenAI, Anthropic, Ollama, vLLM. Without `--run` this asks no model and spends nothing.

Keys come from the environment (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`) and reach no file of a run. A small model runs
the program many times; a larger one writes critiques and edits, a few times.

    python examples/09_real_models.py                 # what a run on each would cost
    python examples/09_real_models.py openai --run    # spends money, at most the budget

To rehearse the second for nothing, run `dlpo serve` beside it, and set `OPENAI_API_BASE=http://127.0.0.1:8000/v1` and
`OPENAI_API_KEY=none`: the simulated model answers then.
"""

import sys

import dspy

from dspy_dlpo import Budget, DLPOTeleprompter
from dspy_dlpo.simulation import simulated_task  # of the questions only: take your own program, metric and examples

HOSTED = Budget(metric_calls=600, usd=2.0)
LOCAL = Budget(metric_calls=600, seconds=3600)  # a model of your own costs time


def models(provider: str) -> tuple[dspy.LM, dspy.LM, Budget]:
    """The model that runs the program, the one that writes, and what may be spent."""
    if provider == "openai":
        return dspy.LM("openai/gpt-4o-mini"), dspy.LM("openai/gpt-4o"), HOSTED
    if provider == "anthropic":
        return dspy.LM("anthropic/claude-haiku-4-5"), dspy.LM("anthropic/claude-sonnet-4-5"), HOSTED
    if provider == "ollama":  # ollama serve; ollama pull llama3.1
        lm = dspy.LM("ollama_chat/llama3.1", api_base="http://localhost:11434", api_key="none")
        return lm, lm, LOCAL
    if provider == "vllm":  # vllm serve Qwen/Qwen2.5-7B-Instruct
        lm = dspy.LM("openai/Qwen/Qwen2.5-7B-Instruct", api_base="http://localhost:8000/v1", api_key="none")
        return lm, lm, LOCAL
    raise SystemExit(f"{provider!r} is none of openai, anthropic, ollama, vllm. Pass one of them.")


task = simulated_task("object_counting")
run = "--run" in sys.argv
chosen = [each for each in sys.argv[1:] if not each.startswith("--")]
if run and len(chosen) != 1:
    raise SystemExit("--run spends money. Say on which one: openai, anthropic, ollama or vllm.")

for provider in chosen or ["openai", "anthropic", "ollama", "vllm"]:
    task_model, prompt_model, budget = models(provider)
    optimizer = DLPOTeleprompter(
        task.metric,
        task_model=task_model,
        prompt_model=prompt_model,
        budget=budget,
        num_threads=8,
        call_timeout=120,  # give a call up that shows no sign of life for so many seconds
        log_dir=f"runs/{provider}",
    )
    print(f"{provider}, an estimate: nothing is asked")
    print(optimizer.estimate(task.program, trainset=task.trainset, valset=task.valset))
    if run:
        better = optimizer.compile(task.program, trainset=task.trainset, valset=task.valset)
        print("verdict:", better.detailed_results.verdict)
        better.save(f"{provider}.json")
