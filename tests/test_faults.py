"""The fault matrix: every cell is done, and must come out as chapter 06b shows it. A third of the cells in every run, all of them with --full.

The page is filled anew by `python tests/faultbox.py --all nbs/faults.json`."""
import json, os, subprocess, sys

import pytest

from conftest import PYTHON, ROOT
from faultbox import BROKEN, cells, in_third, name

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='forks and signals as Linux has them')
PAGE = json.loads((ROOT/'nbs'/'faults.json').read_text(encoding='utf-8'))


@pytest.fixture(scope='module')
def box():
    "A function from a cell (and what is broken) to its outcome, answered by one warm process."
    env = dict(os.environ, OMP_NUM_THREADS='1')
    child = subprocess.Popen([PYTHON, str(ROOT/'tests'/'faultbox.py')], cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout.readline() == 'ready\n'
    def ask(*question):
        print(json.dumps(question), file=child.stdin, flush=True)
        return json.loads(child.stdout.readline())
    yield ask
    child.stdin.close()
    child.wait(timeout=60)


@pytest.mark.parametrize('cell', [pytest.param(c, id=name(c), marks=[] if in_third(c) else pytest.mark.slow) for c in cells()])
def test_cell(box, cell):
    got = box(cell)
    assert not got.startswith('LOST'), got
    assert got == PAGE[name(cell)], 'another outcome than the page shows: is it better? then fill the page anew'


def test_the_page_has_every_cell_and_no_other():
    assert sorted(PAGE) == sorted(map(name, cells()))
    assert all(PAGE.values()) and not [v for v in PAGE.values() if v.startswith('LOST')]
    assert .25 < sum(map(in_third, cells())) / len(cells()) < .42


@pytest.mark.parametrize('broken', BROKEN)
def test_a_broken_promise_is_noticed(box, broken):
    "With the code behind a promise broken on purpose, a cell says LOST."
    _, cell, _ = BROKEN[broken]
    got = box(cell, broken)
    assert got.startswith('LOST'), got


def test_every_way_of_breaking_is_told():
    "Chapter 06b has a line for each, under its promise."
    told = (ROOT/'nbs'/'06b_faults.ipynb').read_text(encoding='utf-8')
    assert [b for b in BROKEN if f'| {b} |' not in told] == []
