"""What scripts/test runs: every notebook by nbdev_test, then pytest, then one line of counts.

Each notebook counts as one test, each pytest test as one. Whatever the tests write goes to a temporary folder."""
import argparse, os, signal, subprocess, sys, tempfile, time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT/'.venv'/'bin'


def notebooks():
    "The notebooks of the book in reading order."
    return sorted(p for p in (ROOT/'nbs').glob('*.ipynb') if p.name[0] not in '._')


def environment(scratch):
    "The environment of every test: nothing of the user's data or runs is read or written, one thread a process."
    env = {**os.environ, 'HISTLM_DATA': f'{scratch}/data', 'HISTLM_RUNS': f'{scratch}/runs', 'WANDB_MODE': 'disabled',
           'WANDB_SILENT': 'true', 'PYTHONUNBUFFERED': '1', 'PATH': f'{BIN}{os.pathsep}{os.environ.get("PATH", "")}'}
    env.setdefault('OMP_NUM_THREADS', '1')
    env.pop('RANK', None)
    return env


def finish(child, timeout_s):
    "The output of a child process, which is ended with all its own children when it takes too long."
    try: return child.communicate(timeout=timeout_s)[0]
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        return child.communicate()[0] + f'\nstopped: took more than {timeout_s} s\n'


def test_notebook(path, flags, env, timeout_s):
    "Run one notebook by nbdev_test: (passed, seconds, output)."
    start = time.time()
    argv = [str(BIN/'nbdev_test'), '--path', str(path)] + (['--flags', flags] if flags else [])
    child = subprocess.Popen(argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors='replace', start_new_session=True)
    out = finish(child, timeout_s)
    return child.returncode == 0 and 'Success.' in out, time.time() - start, out


def test_notebooks(full, jobs, env):
    "Run all notebooks, `jobs` at a time, and say each as it ends: (number passed, names of the failed)."
    import torch
    flags = ' '.join(['slow'] * full + ['gpu'] * torch.cuda.is_available())
    passed, failed = 0, []
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [(p, pool.submit(test_notebook, p, flags, env, 3600 if full else 600)) for p in notebooks()]
        for path, future in waiting:
            ok, seconds, out = future.result()
            print(f'{"ok    " if ok else "FAILED"} {path.relative_to(ROOT)}  {seconds:.1f} s', flush=True)
            if ok: passed += 1
            else:
                failed.append(str(path.relative_to(ROOT)))
                print('    ' + '\n    '.join(out.strip().splitlines()[-60:]), flush=True)
    return passed, failed


def test_pytest(full, jobs, env, scratch, extra):
    "Run tests/, `jobs` files at a time: (number passed, names of the failed, names of the skipped)."
    report = Path(scratch)/'pytest.xml'
    argv = [sys.executable, '-m', 'pytest', str(ROOT/'tests'), '--junitxml', str(report), '--durations=8', '--tb=short']
    if jobs > 1: argv += ['-n', str(jobs), '--dist', 'loadfile']
    code = subprocess.call(argv + ['-m', '' if full else 'not slow'] + extra, cwd=ROOT, env=env, stdin=subprocess.DEVNULL)
    if not report.exists(): return 0, [f'pytest (exit code {code}, no report)'], []
    passed, failed, skipped = 0, [], []
    for case in ET.parse(report).getroot().iter('testcase'):
        name, kinds = f'{case.get("classname")}.{case.get("name")}', {child.tag for child in case}
        if kinds & {'failure', 'error'}: failed.append(name)
        elif 'skipped' in kinds: skipped.append(name)
        else: passed += 1
    if code and not failed: failed.append(f'pytest (exit code {code})')
    return passed, failed, skipped


def main():
    parser = argparse.ArgumentParser(prog='scripts/test', description='Run every test of the book, offline.')
    parser.add_argument('--full', action='store_true', help='add the long tests: cells marked `#| slow`, pytest tests marked slow')
    parser.add_argument('--jobs', type=int, default=max(1, min(4, (os.cpu_count() or 1))), help='notebooks, and then files of tests, at a time (default: %(default)s)')
    parser.add_argument('--pytest', nargs=argparse.REMAINDER, default=[], help='everything after it goes to pytest')
    args = parser.parse_args()
    start = time.time()
    with tempfile.TemporaryDirectory(prefix='histlm-test-') as scratch:
        env = environment(scratch)
        passed, failed = test_notebooks(args.full, args.jobs, env)
        more_passed, more_failed, skipped = test_pytest(args.full, args.jobs, env, scratch, args.pytest)
    failed += more_failed
    for name in failed: print(f'FAILED {name}')
    for name in skipped: print(f'skipped {name}')
    print(f'{time.time() - start:.0f} s')
    print(f'{passed + more_passed} passed, {len(failed)} failed')
    return 1 if failed or not passed else 0


if __name__ == '__main__': sys.exit(main())
