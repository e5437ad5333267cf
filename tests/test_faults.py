"""The fault matrix: every cell is done, and must come out as chapter 06b shows it. A third of the cells in every run, all of them with --full.

The page is filled anew by `python tests/faultbox.py --all nbs/faults.json`."""
import json, os, subprocess, sys

import pytest

from conftest import PYTHON, ROOT
from faultbox import cells, in_third, name

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='forks and signals as Linux has them')
PAGE = json.loads((ROOT/'nbs'/'faults.json').read_text(encoding='utf-8'))


@pytest.fixture(scope='module')
def box():
    "A function from a cell to its outcome, answered by one warm process."
    env = dict(os.environ, OMP_NUM_THREADS='1')
    child = subprocess.Popen([PYTHON, str(ROOT/'tests'/'faultbox.py')], cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert child.stdout.readline() == 'ready\n'
    def ask(cell):
        print(json.dumps(cell), file=child.stdin, flush=True)
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


@pytest.mark.parametrize('broken', ['resume', 'signal', 'damage'])
def test_the_matrix_can_fail(broken, tmp_path):
    "With the code behind it broken on purpose, a cell says LOST."
    harm = dict(resume="T.Run.load, real = (lambda run, path: None), T.Run.load",
                signal="T.StopSignals._note = lambda self, number, frame: os._exit(1)",
                damage="import histlm.checkpoint as C; C.verify_checkpoint = lambda path: {}")[broken]
    cell = dict(resume=('faults', 'SIGKILL', 'a batch', 1), signal=('faults', 'SIGTERM', 'a batch', 1), damage=('damage', 'flipped byte', 'model.safetensors', 1))[broken]
    program = f'''import os, sys; sys.path.insert(0, {str(ROOT/"tests")!r})
import faultbox, histlm.train as T
{harm}
faultbox.Box.undisturbed = lambda box, n, real=faultbox.Box.undisturbed: real(box, n) if n == 1 else None
print(faultbox.Box({str(tmp_path)!r}).answer({cell!r}))'''
    got = subprocess.run([PYTHON, '-c', program], cwd=ROOT, env=dict(os.environ, OMP_NUM_THREADS='1'), capture_output=True, text=True, timeout=300)
    assert got.stdout.strip().splitlines()[-1].startswith('LOST'), got.stdout[-1000:] + got.stderr[-1000:]
