"What the tests that cross modules share: where the project is, copies of it to break, its notebooks as data."
import json, os, re, shutil, subprocess, sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
BIN = Path(sys.executable).parent


def chapters():
    "The notebooks of the book in reading order, index first."
    paths = sorted(p for p in (ROOT/'nbs').glob('*.ipynb') if p.name[0] not in '._')
    return sorted(paths, key=lambda p: (p.stem != 'index', p.name))


def cells(path):
    "A notebook's cells with their source as one string."
    return [{**c, 'source': ''.join(c['source'])} for c in json.loads(path.read_text(encoding='utf-8'))['cells']]


def directives(source):
    "The words of nbdev's directives in a cell: `#| export` gives {'export'}."
    return {m[1] for m in re.finditer(r'^#\|\s*(\S+)', source, re.M)}


def run(argv, cwd=ROOT, timeout_s=300, **env):
    "Run a command to its end and return it with its output as text; the caller judges the exit code."
    full = {**os.environ, 'PATH': f'{BIN}{os.pathsep}{os.environ["PATH"]}', **{k: str(v) for k, v in env.items()}}
    return subprocess.run([str(a) for a in argv], cwd=cwd, env=full, timeout=timeout_s, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace')


def tracked_files():
    "Every file that belongs to the project: git's own list, or what a copy without git holds."
    got = run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'])
    if got.returncode == 0: return [ROOT/n for n in got.stdout.split('\0') if n and (ROOT/n).is_file()]
    own = 'nbs', 'histlm', 'scripts', 'tests', '.github', '.ci'
    return [p for p in ROOT.rglob('*') if p.is_file() and (p.parent == ROOT or p.relative_to(ROOT).parts[0] in own)
            and '__pycache__' not in p.parts]


@pytest.fixture
def project_copy(tmp_path):
    "A copy of the project, notebooks and package and settings, that a test may change."
    to = tmp_path/'project'
    to.mkdir()
    for name in ('nbs', 'histlm', 'scripts', 'tests'):
        shutil.copytree(ROOT/name, to/name, symlinks=True, ignore=shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints'))
    for path in ROOT.iterdir():
        if path.is_file() and path.name != '.venv.lock': shutil.copy2(path, to/path.name, follow_symlinks=False)
    return to
