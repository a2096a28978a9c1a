"""The ablation script measures what it says, small."""

import json

from evaluations.ablation import main
from evaluations.arms import arms


def test_the_script_stores_figures_and_prompts_of_every_cell(tmp_path, capsys):
    out = tmp_path / "ablation.jsonl"
    names = ["default", "without annealing (TSA)"]
    main(
        [
            "--arms",
            *names,
            "--tasks",
            "object_counting",
            "--budget",
            "100",
            "--seeds",
            "2",
            "--jobs",
            "1",
            "--out",
            str(out),
        ]
    )
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["arm"], row["seed"]) for row in rows] == [(name, seed) for name in names for seed in (0, 1)]
    assert all(row["simulated"] and row["prompts"]["solve"] for row in rows)
    assert all(row["metric_calls"] <= 100 for row in rows)
    assert "simulated model, 2 seeds" in capsys.readouterr().out
    assert "| without annealing (TSA) | object_counting |" in out.with_suffix(".md").read_text()


def test_every_technique_has_an_arm_without_it():
    for name in ("TLR", "TLRD", "TDO", "TSA", "TMnt", "TCL", "TRegu"):
        assert any(f"({name})" in arm for arm in arms())
