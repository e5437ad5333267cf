"Runs that are killed go on as if nothing had been; input that cannot work is refused at once, in words."
import os, random, re, shutil, signal, time

import pytest

from conftest import run
from training import (environment, kill, metrics, plain_command, processes_of, read, start, train, train_command,
                      wait_for_step, weights)

STEPS = 40
FAULTS = dict(save_every_steps=7, save_every_s=0, dropout=0.1)
STARTS = dict(adamw='auto', muon='bigrams')  # each way to begin, with one of the optimizers
LINUX = pytest.mark.skipif(not os.path.exists('/proc/self/environ'), reason='looks for orphans in /proc')


@pytest.fixture(scope='module')
def home(tmp_path_factory): return tmp_path_factory.mktemp('faults')


@pytest.fixture(scope='module')
def whole(home):
    "Runs that nobody disturbed, by optimizer."
    for optimizer in ('adamw', 'muon'):
        got = run(plain_command(f'whole-{optimizer}', home, max_steps=STEPS, optimizer=optimizer, start=STARTS[optimizer], **FAULTS), **environment(home))
        assert got.returncode == 0, got.stdout[-3000:]
    return {o: home/'runs'/f'whole-{o}' for o in ('adamw', 'muon')}


def same_run(a, b):
    "Whether two runs ended with the same weights bit for bit, and logged the same losses."
    losses = [{s: (r['loss'], r['lr'], r['grad_norm']) for s, r in metrics(d).items()} for d in (a, b)]
    return weights(a) == weights(b) and losses[0] == losses[1] and sorted(losses[0]) == list(range(1, STEPS + 1))


def interrupt(command, name, number, home, at):
    "Start a run, signal its program at step `at`, and return its exit code once nothing of it is left."
    child = start(command, home)
    wait_for_step(home/'runs'/name, at, child)
    code = kill(child, number)
    end = time.time() + 20
    while processes_of(home) and time.time() < end: time.sleep(0.1)
    assert processes_of(home) == [], 'a kernel outlived its launcher'
    assert not (home/'runs'/name/'result.json').exists(), 'the run had ended before the signal came'
    return code


def random_step():
    "Any step before the last ones; printed, so that a failure can be repeated."
    at = random.Random(time.time_ns()).randrange(2, STEPS - 6)
    print(f'killed at step {at}')
    return at


@LINUX
@pytest.mark.parametrize('optimizer', ['adamw', 'muon'])
def test_killed_at_a_random_step_it_ends_with_the_same_weights(home, whole, optimizer):
    name = f'killed-{optimizer}'
    command = plain_command(name, home, max_steps=STEPS, optimizer=optimizer, start=STARTS[optimizer], **FAULTS)
    interrupt(command, name, signal.SIGKILL, home, random_step())
    got = run(command, **environment(home))
    assert got.returncode == 0, got.stdout[-3000:]
    assert same_run(whole[optimizer], home/'runs'/name)
    assert not same_run(whole['adamw'], whole['muon']), 'the comparison cannot fail'


@LINUX
@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_scripts_train_goes_on_after_any_signal(home, whole, number):
    name = f'signal-{number.name}'
    command = train_command(name, '--steps', STEPS, optimizer='adamw', **FAULTS)
    code = interrupt(command, name, number, home, random_step())
    assert code == (-9 if number == signal.SIGKILL else 3), (home/'log.txt').read_text()[-3000:]
    got = run(command, **environment(home))
    assert got.returncode == 0, got.stdout[-3000:]
    assert same_run(whole['adamw'], home/'runs'/name)


@LINUX
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which('g++'), reason='torch.compile needs a compiler')
def test_a_compiled_run_stops_while_it_compiles_and_goes_on_to_the_bit(home):
    def command(name):
        program = plain_command(name, home, max_steps=12, compile='on', context=32, batch_tokens=128, per_device_batch=2, **FAULTS)
        return [*program[:2], 'import histlm.model as M; M.PRESETS["tiny"].update(n_layer=1, n_head=2, n_embd=32); ' + program[2]]
    run_dir = home/'runs'/'compiled'
    child = start(command('compiled'), home)
    while not (run_dir/'pulse.rank0.json').exists() or read(run_dir/'pulse.rank0.json')['phase'] != 'first step': assert child.poll() is None; time.sleep(.01)
    time.sleep(1)
    assert kill(child, signal.SIGTERM) == 0 and [p.name for p in run_dir.glob('checkpoints/step-*')] == ['step-00000000']
    child = start(command('compiled'), home)
    wait_for_step(run_dir, 9, child, timeout_s=600)
    kill(child, signal.SIGKILL)
    for name in ('compiled', 'compiled-whole'):
        got = run(command(name), timeout_s=600, **environment(home))
        assert got.returncode == 0, got.stdout[-3000:]
    losses = [{s: r['loss'] for s, r in metrics(home/'runs'/n).items()} for n in ('compiled', 'compiled-whole')]
    assert weights(run_dir) == weights(home/'runs'/'compiled-whole') and losses[0] == losses[1]
    assert read(run_dir/'result.json')['compile'] == 'on'


def test_a_damaged_checkpoint_is_never_taken_for_none(home, whole):
    run_dir = home/'runs'/'damaged'
    shutil.copytree(whole['adamw'], run_dir)
    for path in run_dir.glob('checkpoints/step-*/model.safetensors'):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    before = {p: p.read_bytes() for p in run_dir.rglob('*') if p.is_file() and 'checkpoints' in p.parts}
    got = run(plain_command('damaged', home, max_steps=STEPS + 6, optimizer='adamw', **FAULTS), **environment(home))
    assert got.returncode == 1 and 'step-' in got.stdout.strip().splitlines()[-1], got.stdout[-2000:]
    assert {p: p.read_bytes() for p in before} == before


# Bad input

def write_corpus(folder, files):
    "A folder of documents: name → bytes."
    for name, data in files.items():
        (folder/name).parent.mkdir(parents=True, exist_ok=True)
        (folder/name).write_bytes(data)
    return folder


ENGLISH = ('The Prisoner was indicted for stealing a Watch, value 40s. the Goods of John Smith, and was acquitted. ' * 40).encode()


@pytest.fixture(scope='module')
def corpora(home):
    "Folders that cannot be trained on, by name."
    base = home/'corpora'
    (base/'empty').mkdir(parents=True)
    write_corpus(base/'undecodable', {'good.txt': ENGLISH, 'bad.txt': b'good \xff\xfe\x9d bad' * 50})
    write_corpus(base/'short', {'a.txt': b'A few words.', 'b.txt': b'And a few more.'})
    write_corpus(base/'poor', {f'{i}.txt': ENGLISH + str(i).encode() for i in range(60)})
    return base


BAD = [  # what is wrong, settings, what the last line must name
    ('a missing folder', dict(corpus='{c}/nowhere'), 'nowhere'),
    ('an empty folder', dict(corpus='{c}/empty'), 'empty'),
    ('an undecodable file', dict(corpus='{c}/undecodable'), 'bad.txt'),
    ('a corpus smaller than a batch', dict(corpus='{c}/short', vocab_size=258), r'short|token|document'),
    ('a vocabulary that the text cannot fill', dict(corpus='{c}/poor', vocab_size=5000), '5,?000'),
    ('an unknown preset', dict(preset='huge'), 'huge'),
    ('an unknown key', dict(learning_rate=1), 'learning_rate'),
    ('a mistyped value', dict(lr='fast'), 'lr.*fast'),
    ('a batch that does not divide', dict(batch_tokens=1000), 'batch_tokens'),
    ('a device that is not there', dict(device='mps'), 'mps'),
    ('a negative number', dict(lr=-1), 'lr'),
    ('a part of a token', dict(context=0.5), 'context'),
]


@pytest.mark.parametrize('what, settings, named', BAD, ids=[b[0] for b in BAD])
def test_bad_input_is_one_clear_line_and_leaves_nothing(home, corpora, what, settings, named):
    settings = {k: v.format(c=corpora) if isinstance(v, str) else v for k, v in settings.items()}
    before = {p for p in home.rglob('*')}
    started = time.time()
    got = train('bad', '--steps', 4, home=home, **settings)
    last = got.stdout.strip().splitlines()[-1]
    assert got.returncode == 1, got.stdout[-2000:]
    assert re.search(named, last), got.stdout[-2000:]
    assert 'Traceback' not in got.stdout
    assert time.time() - started < 30 * max(1, os.getloadavg()[0] / 2)
    left = {p for p in home.rglob('*')} - before - {p for p in (home/'data').rglob('*.lock')}
    assert [p for p in left if p != home/'data' and p != home/'runs'] == [], 'something half-written was left'


def test_more_ranks_than_gpus_are_refused(home):
    got = train('bad', '--steps', 4, '--nproc', 64, home=home, device='cuda')
    assert got.returncode == 1 and 'cuda' in got.stdout.strip().splitlines()[-1].lower(), got.stdout[-2000:]


def test_two_programs_do_not_train_one_run(home):
    child = start(train_command('busy', '--steps', 4000, **FAULTS), home)
    try:
        wait_for_step(home/'runs'/'busy', 3, child)
        got = train('busy', '--steps', 4000, home=home, **FAULTS)
        assert got.returncode == 1 and 'busy' in got.stdout.strip().splitlines()[-1], got.stdout[-2000:]
    finally: assert kill(child, signal.SIGTERM) == 3
