"Memory and many ranks: what fits is chosen and kept, what cannot fit is refused, and slices train as one process does."
import json, os, socket, subprocess

import pytest

from conftest import PYTHON, ROOT, run
from training import environment, metrics, plain_command, read, weights

HARD = dict(optimizer='adamw', lr=1e-3, dropout=0.1, per_device_batch=4, corpus='sample:80kB', vocab_size=600, start='bigrams')  # pieces, epochs


@pytest.fixture(scope='module')
def home(tmp_path_factory): return tmp_path_factory.mktemp('scale')


def ranks(n, name, home, **settings):
    "A run of `n` processes, started as torchrun would start them; what each of them said."
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    env = {**os.environ, **{k: str(v) for k, v in environment(home).items()}, 'WORLD_SIZE': str(n), 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(port)}
    argv = [str(a) for a in plain_command(name, home, **settings)]
    jobs = [subprocess.Popen(argv, cwd=ROOT, env={**env, 'RANK': str(r), 'LOCAL_RANK': str(r), 'LOCAL_WORLD_SIZE': str(n)}, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for r in range(n)]
    said = [j.communicate(timeout=200)[0] for j in jobs]
    assert not any(j.returncode for j in jobs), said[0][-3000:]
    return said


def one(name, home, memory=None, **settings):
    "A run of one process, with room for `memory` bytes."
    return run(plain_command(name, home, **settings), **environment(home), **(dict(HISTLM_MEMORY=memory) if memory else {}))


def gap(a, b, home):
    "The largest difference in loss between two runs, over the steps that both logged."
    a, b = (metrics(home/'runs'/name) for name in (a, b))
    assert sorted(a) == sorted(b) and len(a) > 9
    return max(abs(a[s]['loss'] - b[s]['loss']) for s in a)


# Slices

@pytest.fixture(scope='module')
def slices(home):
    "Forty steps of one process, and of two ranks that share the model."
    got = one('whole', home, max_steps=40, **HARD)
    assert got.returncode == 0, got.stdout[-3000:]
    return ranks(2, 'slices', home, max_steps=40, parallel='fsdp', **HARD)


def test_two_ranks_with_slices_equal_one(slices, home):
    assert 'fsdp' in slices[0]
    assert gap('whole', 'slices', home) <= 1e-4
    whole, cut = (metrics(home/'runs'/n) for n in ('whole', 'slices'))
    assert max(abs(whole[s]['loss'] - cut[s + 1]['loss']) for s in range(1, 40)) > 1e-3, 'the comparison cannot fail'
    results = [read(home/'runs'/n/'result.json') for n in ('whole', 'slices')]
    assert [r['world_size'] for r in results] == [1, 2] and results[0]['epochs'] > 1
    assert abs(results[0]['valid_bits_per_byte'] - results[1]['valid_bits_per_byte']) < 1e-3


def test_slices_are_saved_as_any_run(slices, home):
    from histlm.state import read_header
    last = [max((home/'runs'/n).glob('checkpoints/step-*')) for n in ('whole', 'slices')]
    for file in ('model.safetensors', 'optimizer.safetensors'):
        a, b = ({k: (v['shape'], v['dtype']) for k, v in read_header(p/file).items()} for p in last)
        assert a == b and a


def test_any_number_of_ranks_goes_on(slices, home):
    got = one('slices', home, max_steps=44, **HARD)   # what two began, one continues
    assert got.returncode == 0 and 'continuing from step 40' in got.stdout, got.stdout[-3000:]
    assert 'continuing from step 40' in ranks(2, 'whole', home, max_steps=44, parallel='fsdp', **HARD)[0]   # and the other way round
    assert gap('whole', 'slices', home) <= 1e-4
    assert sorted(metrics(home/'runs'/'slices')) == list(range(1, 45))


def test_muon_on_slices(home):
    assert one('muon1', home, max_steps=10).returncode == 0
    ranks(2, 'muon2', home, max_steps=10, parallel='fsdp')
    assert gap('muon1', 'muon2', home) <= 2e-2


# Memory

def test_recomputing_changes_no_bit(home):
    for how in ('on', 'off'): assert one(f'again-{how}', home, max_steps=6, recompute=how, dropout=.1).returncode == 0
    assert weights(home/'runs'/'again-on') == weights(home/'runs'/'again-off')
    assert read(home/'runs'/'again-on'/'config.json')['resolved']['recompute'] == 'on'


def test_a_model_that_cannot_fit_is_refused_with_three_remedies(home):
    got = one('toobig', home, memory='4e6', max_steps=4)
    last = got.stdout.strip().splitlines()[-1]
    assert got.returncode == 1 and 'FitError' in last and '4.0 MB' in last, got.stdout[-2000:]
    assert all(f'{i}. ' in last for i in (1, 2)) and 'cheapest remedies' in last
    assert not (home/'runs'/'toobig'/'metrics.jsonl').exists(), 'it had begun'


def test_a_tight_choice_is_measured_recorded_and_kept(home):
    got = one('tight', home, memory='5.5e7', max_steps=6, vocab_size=2000)
    assert got.returncode == 0, got.stdout[-3000:]
    config = read(home/'runs'/'tight'/'config.json')['resolved']
    assert config['memory']['how'] in ('process', 'counted') and config['memory']['trials'], config['memory']
    assert config['memory']['bytes'] <= .9 * 5.5e7 and config['per_device_batch'] < 16
    again = one('tight', home, max_steps=8, vocab_size=2000)   # now there is room, and the choice stays
    assert again.returncode == 0, again.stdout[-3000:]
    kept = read(home/'runs'/'tight'/'config.json')['resolved']
    assert {k: kept[k] for k in ('per_device_batch', 'recompute', 'memory')} == {k: config[k] for k in ('per_device_batch', 'recompute', 'memory')}


# The plan

def test_the_plan_warns_where_the_reference_went_wrong(home):
    got = run([PYTHON, '-m', 'histlm.plan', '--preset', 'regular', '--text-tokens', '125e6', '--epochs', 12, '--gpus', 2, '--gpu', 'a30', '--json', home/'plan.json'])
    assert got.returncode == 0 and got.stdout.count('WARNING') == 3 and 'assumed' in got.stdout, got.stdout
    assert abs(read(home/'plan.json')['tokens'] / 1.5e9 - 1) < .01


def test_a_run_says_its_plan_at_the_start(slices):
    assert 'plan: ' in slices[0] and 'epochs' in slices[0] and 'tokens a parameter' in slices[0]
