"""Every text of a program: descriptions inside pydantic models and tools of `dspy.ReAct`, each allowed by its path.

The language model is a script: it writes amounts in cents where the description of an amount tells it to.
"""

import json
import re
import tempfile
from pathlib import Path

import dspy
from dspy.lm15 import Message, Request, Response, Usage
from pydantic import BaseModel, Field

from dspy_dlpo import Budget, DLPOTeleprompter, text_paths


class Line(BaseModel):
    amount: str = Field(description="The amount.")


class Invoice(BaseModel):
    lines: list[Line] = Field(description="What is to be paid.")


class Script:
    def complete(self, request: Request) -> Response:
        user = request.messages[-1].text or ""
        text = "CRITIQUE: It does not say in which unit.\nADD 2: Write it in cents."
        if request.system:  # asked by the program, and not by the writer
            euros, cents = re.findall(r"(\d+)\.(\d+) euros", user)[0]
            amount = euros + cents if re.search(r"amount`: .*in cents", str(request.system)) else f"{euros}.{cents}"
            text = f"[[ ## invoice ## ]]\n{json.dumps({'lines': [{'amount': amount}]})}"
        usage = Usage(input_tokens=len(user) // 4, output_tokens=len(text) // 4)
        return Response(id=None, model="script", message=Message.assistant(text), finish_reason="stop", usage=usage)


dspy.configure(lm=dspy.LM("script", engine=Script(), cache=False))
signature = dspy.Signature("text: str -> invoice: Invoice", "Read the invoice.", custom_types={"Invoice": Invoice})
program = dspy.Predict(signature)
sums = [f"{n}.{n % 9}0" for n in range(10, 90)]
data = [dspy.Example(text=f"To pay: {s} euros.", amount=s.replace(".", "")).with_inputs("text") for s in sums]
print("texts of the program:", list(text_paths(program)))

optimizer = DLPOTeleprompter(
    lambda gold, pred, trace=None: float(pred.invoice.lines[0].amount == gold.amount),
    parameters=("self.invoice.lines[].amount",),  # or kinds of text: "nested", "tools", "arguments", ...
    budget=Budget(metric_calls=400),
)
better = optimizer.compile(program, trainset=data[:40], valset=data[40:])
print("verdict (simulated model):", better.detailed_results.verdict)
file = Path(tempfile.mkdtemp()) / "better.json"
better.save(file)
fresh = dspy.Predict(signature)
fresh.load(file)  # DSPy's own
told = dspy.ChatAdapter().format(fresh.signature, [], {"text": "To pay: 12.30 euros."})[0]["content"]
print("in requests after DSPy's own save and load:", re.findall("^- .*", told, re.MULTILINE))
agent = dspy.ReAct("question -> answer", tools=[dspy.Tool(lambda query: "", "search", "Searches the manual.")])
print("texts of an agent's tools:", {path: text for path, text in text_paths(agent).items() if ".tools." in path})
