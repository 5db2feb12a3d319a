from __future__ import annotations

from atso_monai.cohort import Problem, report


def test_a_problem_reads_as_case_what_file() -> None:
    assert str(Problem("a", "/f.nii", "is bad", "x")) == "case 'a', /f.nii: is bad"
    assert str(Problem("", "", "is bad", "x")) == "cohort: is bad"


def test_the_report_counts_and_groups_by_way_out() -> None:
    problems = [
        Problem("a", "/a", "is missing", "Put it there."),
        Problem("", "", "has no labels", "Add one."),
        Problem("b", "/b", "is missing", "Put it there."),
        Problem("b", "/c", "is missing", "Put it there."),
    ]
    assert report(problems, "liver").splitlines() == [
        "Cohort 'liver' cannot be used: 4 problems in 2 cases.",
        "3 problems. Put it there.",
        "  case 'a', /a: is missing",
        "  case 'b', /b: is missing",
        "  case 'b', /c: is missing",
        "1 problem. Add one.",
        "  cohort: has no labels",
    ]


def test_a_large_group_is_cut_and_hides_no_other() -> None:
    problems = [Problem(f"c{n}", "", "bad", "Many.") for n in range(500)]
    problems += [Problem(f"d{n}", "", "odd", "Few.") for n in range(4)]
    lines = report(problems, "x", most_lines=20).splitlines()

    assert sum(line.startswith("  case 'c") for line in lines) == 16
    assert sum(line.startswith("  case 'd") for line in lines) == 4
    assert "  ... and 484 more" in lines


def test_every_group_shows_something() -> None:
    problems = [Problem(f"c{n}", "", "bad", f"Way {n % 30}.") for n in range(90)]
    lines = report(problems, "x", most_lines=20).splitlines()
    assert sum("case 'c" in line for line in lines) == 30
