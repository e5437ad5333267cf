"The launcher and the supervisor with a stand-in notebook: ranks, restarts, signals and kills, without any training."
import json, os, signal, subprocess, sys, time

import pytest

from conftest import PYTHON, ROOT
from training import processes_of

PARAMETERS = '''run_dir = ''
preset = 'tiny'
max_steps = 5
max_minutes = 0.0
seed = 0         # 1: fail once at step 3
resume = 'auto'
'''
BODY = '''import json, os, pathlib, signal, time
run, rank = pathlib.Path(run_dir), os.environ.get('RANK', '0')
saved = run/'checkpoints'
step = first = max([int(p.name[5:]) for p in saved.glob('step-*')], default=0)
stop = [1] if 'HISTLM_STOP' in os.environ else []
signal.signal(signal.SIGTERM, lambda *_, stop=stop: stop.append(1))   # a kernel that ends clears its names
print('from step', first, flush=True)
(run/f'pid.rank{rank}').write_text(str(os.getpid()))
while step < max_steps and not stop:
    time.sleep(0.05); step += 1
    if seed == 1 and os.environ['TORCHELASTIC_RESTART_COUNT'] == '0' and step == 3: raise ValueError('only once')
    if rank == '0': (saved/f'step-{step:08d}').mkdir(parents=True, exist_ok=True)
done = dict(status='stopped' if stop else 'finished', step=step, launch_id=os.environ['HISTLM_LAUNCH_ID'])
(run/f'done.rank{rank}.json').write_text(json.dumps(done))
if rank == '0' and not stop: (run/'result.json').write_text(json.dumps(dict(preset='tiny', family='modern', parameters=1, world_size=1, device='cpu', precision='fp32', steps=step,
    tokens_seen=1, tokens_per_s=1, wall_s=1, valid_bits_per_byte=1, train_bits_per_byte=1, samples=['a sample'], budget=dict(max_steps=step))))
'''
PROGRAM = '''import pathlib, sys, histlm.job as job
job._training_notebook, job.prepare, job._saved_settings = lambda: pathlib.Path(sys.argv[1]), lambda *a, **k: None, lambda folder: None
sys.exit(job.train_main(sys.argv[2:]))'''

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='looks into /proc')


@pytest.fixture
def home(tmp_path):
    "A folder with the stand-in notebook."
    cells = [dict(cell_type='code', id=f'c{i}', metadata=dict(tags=tags), source=source, outputs=[], execution_count=None)
             for i, (source, tags) in enumerate([(PARAMETERS, ['parameters']), (BODY, [])])]
    spec = dict(kernelspec=dict(name='python3', display_name='python3', language='python'))
    (tmp_path/'nb.ipynb').write_text(json.dumps(dict(cells=cells, metadata=spec, nbformat=4, nbformat_minor=5)))
    return tmp_path


def start(home, *args):
    "scripts/train's program on the stand-in."
    env = dict(os.environ, HISTLM_RUNS=str(home/'runs'), HISTLM_DATA=str(home/'data'), OMP_NUM_THREADS='1')
    return subprocess.Popen([PYTHON, '-c', PROGRAM, str(home/'nb.ipynb'), '--run', 'r', *map(str, args)], cwd=ROOT, env=env,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def end(process):
    "Exit code and the last line."
    said = process.communicate(timeout=120)[0]
    return process.returncode, said.strip().splitlines()[-1], said


def until(condition, seconds=90):
    "Wait for a condition; False if it never holds."
    end = time.time() + seconds
    while not condition() and time.time() < end: time.sleep(0.05)
    return condition()


def kernels(home, n):
    "The process ids of the kernels of n ranks, once all of them run."
    paths = [home/'runs'/'r'/f'pid.rank{r}' for r in range(n)]
    assert until(lambda: all(p.exists() and p.read_text() for p in paths))
    return [int(p.read_text()) for p in paths]


def gone(pid):
    "Whether a process has ended."
    try: return open(f'/proc/{pid}/stat').read().rpartition(')')[2].split()[0] in 'ZX'
    except OSError: return True


def test_two_ranks_finish_and_a_finished_run_says_so(home):
    code, last, said = end(start(home, '--steps', 5, '--nproc', 2))
    assert code == 0 and 'finished at step 5' in last and 'a sample' in said
    assert {'train.rank0.ipynb', 'train.rank1.ipynb', 'launch.rank1.json'} <= {p.name for p in (home/'runs'/'r').iterdir()}


def test_a_failure_is_exit_1_with_its_reason_last(home):
    code, last, _ = end(start(home, '--steps', 5, '--nproc', 2, '-p', 'seed', 1))
    assert code == 1 and 'only once' in last, last


def test_a_restart_resumes(home):
    code, last, said = end(start(home, '--steps', 5, '--nproc', 2, '-p', 'seed', 1, '--max-restarts', 1))
    assert code == 0 and 'from step 2' in said, said
    assert (home/'runs'/'r'/'train.rank0.restart1.ipynb').exists() and (home/'runs'/'r'/'train.rank0.ipynb').exists()


@pytest.mark.parametrize('nproc, number', [(1, signal.SIGTERM), (2, signal.SIGINT)])
def test_a_stopped_run_exits_3_and_goes_on(home, nproc, number):
    job = start(home, '--steps', 100_000, '--nproc', nproc)
    pids = kernels(home, nproc)
    assert until(lambda: (home/'runs'/'r'/'checkpoints').is_dir())
    job.send_signal(number)
    code, last, said = end(job)
    assert code == 3 and 'stopped' in last and 'saved' in last and 'Traceback' not in said, said
    assert all(gone(p) for p in pids)
    step = json.loads((home/'runs'/'r'/'done.rank0.json').read_text())['step']
    code, last, said = end(start(home, '--steps', step + 2))
    assert code == 0 and f'from step {step}' in said and f'finished at step {step + 2}' in last


@pytest.mark.parametrize('nproc', [1, 2])
def test_nothing_outlives_a_killed_supervisor(home, nproc):
    job = start(home, '--steps', 100_000, '--nproc', nproc)
    pids = kernels(home, nproc)
    job.kill()
    job.communicate(timeout=60)   # ends when the last process that holds the pipe has ended
    assert until(lambda: all(gone(p) for p in pids), 10)


def test_no_launcher_outlives_a_supervisor_killed_while_it_starts(home):
    "A launcher needs seconds before it can ask who its parent is; by then the parent may be dead."
    job = start(home, '--steps', 100_000, '--nproc', 2)
    def launchers(): return [p for p in processes_of(home) if b'histlm.launch' in command(p)]
    def command(pid):
        try: line = open(f'/proc/{pid}/cmdline', 'rb').read()
        except OSError: return b''
        return b'' if b'torchrun_main' in line else line
    assert until(lambda: len(launchers()) == 2)
    job.kill()
    left = [] if until(lambda: not processes_of(home), 40) else [(p, command(p)) for p in processes_of(home)]
    for pid, _ in left: os.kill(pid, signal.SIGKILL)
    job.communicate(timeout=60)
    assert left == []


def test_a_second_signal_ends_at_once(home):
    job = start(home, '--steps', 100_000)
    pid, = kernels(home, 1)
    os.kill(pid, signal.SIGSTOP)   # a kernel that hears nothing
    job.send_signal(signal.SIGINT)
    time.sleep(0.5)
    job.send_signal(signal.SIGINT)
    started = time.time()
    code, last, _ = end(job)
    assert code == 1 and time.time() - started < 15
    assert until(lambda: gone(pid), 10)
