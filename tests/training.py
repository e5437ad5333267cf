"What the tests of whole training runs share: small runs of the real programs, and what they left behind."
import json, os, signal, subprocess, time
from pathlib import Path

from conftest import BIN, PYTHON, ROOT, run

SMALL = dict(preset='tiny', corpus='sample:300kB', vocab_size=800, context=64, batch_tokens=1024, device='cpu', precision='fp32',
             warmup_steps=4, log_every_steps=1, eval_every_steps=20, eval_bytes=4000, compile='off')


def pairs(**settings):
    "Settings as the launcher's arguments."
    return [w for k, v in settings.items() for w in ('-p', k, str(v))]


def train_command(name, *args, **settings):
    "A scripts/train command for a small run called `name`."
    chosen = {**SMALL, **settings}
    return [ROOT/'scripts'/'train', '--preset', chosen.pop('preset'), '--corpus', chosen.pop('corpus'), '--run', name, *args, *pairs(**chosen)]


def train(name, *args, home, timeout_s=240, **settings):
    "Run scripts/train to its end with its runs and caches below `home`."
    return run(train_command(name, *args, **settings), timeout_s=timeout_s, **environment(home))


def plain_command(name, home, **settings):
    "The same run without papermill and launcher, in one plain Python process: quicker to start."
    config = {**SMALL, **settings, 'run_dir': str(home/'runs'/name)}
    return [PYTHON, '-c', f'from histlm.recipe import train_config; from histlm.train import train; train(train_config(**{config!r}))']


def environment(home): return dict(HISTLM_RUNS=home/'runs', HISTLM_DATA=home/'data', OMP_NUM_THREADS=1, WANDB_SILENT='true')


def start(argv, home):
    "Start a command in a process group of its own; its output goes to a file beside the runs."
    env = {**os.environ, **{k: str(v) for k, v in environment(home).items()}, 'PATH': f'{BIN}{os.pathsep}{os.environ["PATH"]}'}
    with open(home/'log.txt', 'a') as log:
        return subprocess.Popen([str(a) for a in argv], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                stderr=subprocess.STDOUT, start_new_session=True)


def metrics(run_dir, kind='loss'):
    "The rows of metrics.jsonl that hold `kind`, by step."
    path = Path(run_dir)/'metrics.jsonl'
    rows = [json.loads(l) for l in path.read_text().splitlines() if l.endswith('}')] if path.exists() else []
    return {r['step']: r for r in rows if kind in r}


def wait_for_step(run_dir, step, child, timeout_s=120):
    "Wait until a run has logged `step`; the child must not have ended before."
    end = time.time() + timeout_s
    while max(metrics(run_dir), default=0) < step:
        assert time.time() < end and child.poll() is None, 'the run ended before the step that was waited for'
        time.sleep(0.01)


def processes_of(home):
    "The processes whose environment names `home`: everything that a run there has started (Linux)."
    found = []
    for entry in Path('/proc').iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid(): continue
        try: env = (entry/'environ').read_bytes().split(b'\0')
        except OSError: continue
        if f'HISTLM_RUNS={home}/runs'.encode() in env: found.append(int(entry.name))
    return found


def kill(child, number=signal.SIGKILL):
    "Signal one process, not its children, and wait for it."
    child.send_signal(number)
    return child.wait(timeout=120)


def weights(run_dir):
    "The bytes of a run's last weights."
    last = max(Path(run_dir).glob('checkpoints/step-*'))
    return last.name, (last/'model.safetensors').read_bytes()


def read(path): return json.loads(Path(path).read_text(encoding='utf-8'))
