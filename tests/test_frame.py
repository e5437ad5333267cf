"The frame: package and notebooks agree, notebooks are clean, chapters look backwards only, the set-up is sound."
import ast, importlib.machinery, importlib.util, json, os, re, shutil, time

import pytest, yaml
from packaging.requirements import Requirement

from conftest import BIN, PYTHON, ROOT, cells, chapters, directives, run, tracked_files

KERNELSPEC = dict(name='python3', display_name='python3', language='python')



def settings():
    "settings.ini as nbdev reads it."
    from configparser import ConfigParser
    parser = ConfigParser(delimiters=['='])
    parser.read(ROOT/'settings.ini', encoding='utf-8')
    return parser['DEFAULT']


# The package is what the notebooks export

def exported(project):
    "What each file of the package holds after an export in `project`."
    got = run([BIN/'nbdev_export'], cwd=project, IN_TEST='')
    assert got.returncode == 0, got.stdout
    return {p.name: p.read_text(encoding='utf-8') for p in (project/'histlm').glob('*.py')}


def test_export_changes_nothing(project_copy):
    before = {p.name: p.read_text(encoding='utf-8') for p in (ROOT/'histlm').glob('*.py')}
    for path in (project_copy/'histlm').glob('*.py'):
        if path.name != '__init__.py': path.unlink()
    after = exported(project_copy)
    assert after.keys() == before.keys()
    assert [n for n in after if after[n] != before[n]] == [], 'run nbdev_export and commit what it writes'


def test_export_would_be_noticed(project_copy):
    path = project_copy/'nbs'/'00_core.ipynb'
    nb = json.loads(path.read_text(encoding='utf-8'))
    cell = next(c for c in nb['cells'] if c['cell_type'] == 'code' and 'export' in directives(''.join(c['source'])))
    cell['source'] = ''.join(cell['source']) + '\nadded = 1'
    path.write_text(json.dumps(nb), encoding='utf-8')
    assert exported(project_copy)['core.py'] != (ROOT/'histlm'/'core.py').read_text(encoding='utf-8')


# Notebooks

def module_of(path):
    "The module that a chapter exports to, or None."
    for c in cells(path):
        if m := re.search(r'^#\|\s*default_exp\s+(\S+)', c['source'], re.M): return m[1]


def imported_modules(source):
    "The modules of the package that a cell imports, in any spelling."
    body = '\n'.join(l for l in source.splitlines() if not l.lstrip().startswith(('%', '!')))
    for node in ast.walk(ast.parse(body)):
        if isinstance(node, ast.ImportFrom):
            name = ('histlm.' if node.level else '') + (node.module or '')
            if name.rstrip('.') == 'histlm': yield from (a.name for a in node.names)
            elif name.startswith('histlm.'): yield name.split('.')[1]
        elif isinstance(node, ast.Import):
            yield from (a.name.split('.')[1] for a in node.names if a.name.startswith('histlm.'))


def forward_imports(paths):
    "(chapter, module) for every exported import of a chapter that does not come before it."
    place = {module_of(p): i for i, p in enumerate(paths) if module_of(p)}
    return [(p.name, name) for i, p in enumerate(paths) for c in cells(p)
            if c['cell_type'] == 'code' and directives(c['source']) & {'export', 'exports', 'exporti'}
            for name in imported_modules(c['source']) if name in place and place[name] >= i]


def test_chapters_import_from_earlier_chapters_only(): assert forward_imports(chapters()) == []


def test_a_forward_import_would_be_noticed(tmp_path):
    def write(name, module, code):
        sources = f'#| default_exp {module}', f'#| export\n{code}'
        nb = dict(cells=[dict(cell_type='code', source=s, metadata={}, outputs=[]) for s in sources])
        (tmp_path/name).write_text(json.dumps(nb))
        return tmp_path/name
    paths = [write('00_a.ipynb', 'a', 'def f():\n    from histlm.b import g'), write('01_b.ipynb', 'b', 'from .a import f')]
    assert forward_imports(paths) == [('00_a.ipynb', 'b')]


@pytest.mark.parametrize('path', chapters(), ids=lambda p: p.name)
def test_notebook_is_clean(path):
    got = run([BIN/'nb-clean', 'check', '-o', '--preserve-cell-metadata-field=tags', path])
    assert got.returncode == 0, f'scripts/clean nbs/*.ipynb\n{got.stdout}'
    nb = json.loads(path.read_text(encoding='utf-8'))
    assert nb['metadata'].get('kernelspec') == KERNELSPEC
    assert nb['metadata'].keys() <= {'kernelspec', 'language_info'}
    for c in nb['cells']:
        assert set(c['metadata']) <= {'tags'}, c['metadata']
        assert c.get('execution_count') is None
        assert all(o.get('execution_count') is None for o in c.get('outputs', ()))


@pytest.mark.parametrize('path', chapters(), ids=lambda p: p.name)
def test_notebook_reads_as_a_chapter(path):
    first, code = cells(path)[0], [c for c in cells(path) if c['cell_type'] == 'code']
    assert first['cell_type'] == 'markdown' and re.search(r'^# \S', first['source'], re.M)
    assert re.search(r'^> \S', first['source'], re.M), 'the first cell wants one "> summary" line'
    assert path.stat().st_size < 500_000, 'too heavy to review: fewer or smaller pictures'
    assert not [c for c in code if re.search(r'nbdev_export\(', c['source'])], 'papermill would rewrite the package in mid-run'
    assert not [c for c in code if any(o['output_type'] == 'error' for o in c['outputs'])], 'an error was stored as output'
    if path.stem != 'index':
        assert re.fullmatch(r'\d\d[a-z]?_' + module_of(path), path.stem)
        assert re.search(r'^# (.+)', first['source'], re.M)[1] == path.stem.replace('_', ' '), 'titles are number and name, as in "00a sample"'
    ran = [c for c in code if c['outputs']]
    assert ran, 'the committed notebook holds its outputs: run it before the commit'


def test_the_sidebar_lists_every_chapter_in_order():
    def names(items):
        for i in items: yield from [i] if isinstance(i, str) else names(i['contents'])
    listed = list(names(yaml.safe_load((ROOT/'nbs'/'sidebar.yml').read_text())['website']['sidebar']['contents']))
    assert listed == [p.name for p in chapters()]


# The training notebook's parameters are the configuration

def parameters():
    "The names that the `parameters` cell of the training notebook assigns, with their values' source."
    path = ROOT/'nbs'/'05_train.ipynb'
    tagged = [c for c in cells(path) if 'parameters' in c['metadata'].get('tags', ())]
    assert len(tagged) == 1, 'papermill injects after the one cell tagged `parameters`'
    return [t.id for s in ast.parse(tagged[0]['source']).body for t in getattr(s, 'targets', [getattr(s, 'target', None)])
            if isinstance(t, ast.Name)]


def unread(fields, sources):
    "The fields that no source reads, neither as an attribute nor as a key."
    nodes = [n for s in sources for n in ast.walk(ast.parse(s))]
    read = {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}
    read |= {n.slice.value for n in nodes if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant)}
    return [f for f in fields if f not in read]


def test_every_parameter_is_a_field_and_every_field_is_read():
    from dataclasses import fields
    from histlm.recipe import TrainConfig
    names = [f.name for f in fields(TrainConfig)]
    assert sorted(parameters()) == sorted(names)
    code = [(ROOT/'histlm'/f'{n}.py').read_text(encoding='utf-8') for n in ('recipe', 'train')]
    assert unread(names, code) == []
    assert unread(['lr', 'seed', 'nowhere'], ['x = config.lr + c["seed"]; c.nowhere = 1']) == ['nowhere']


def test_every_model_field_is_read():
    from dataclasses import fields
    from histlm import model
    code = [(ROOT/'histlm'/f'{n}.py').read_text(encoding='utf-8') for n in ('attention', 'model')]
    assert unread([f.name for f in fields(model.ModelConfig)], code) == []


NO_NOTEBOOK_TOOLS = '''
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    names = {'nbdev', 'papermill', 'jupyterlab', 'IPython', 'ipykernel', 'nbformat', 'nbclient', 'nbconvert', 'execnb', 'wandb', 'transformers'}
    def find_spec(self, name, path, target=None):
        if name.split('.')[0] in self.names: raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Absent())
'''


def test_the_package_imports_without_the_notebook_tools():
    modules = [module_of(p) for p in chapters() if module_of(p)]
    got = run([PYTHON, '-c', NO_NOTEBOOK_TOOLS + 'import ' + ', '.join('histlm.' + m for m in modules)])
    assert got.returncode == 0, got.stdout
    assert run([PYTHON, '-c', NO_NOTEBOOK_TOOLS + 'import papermill']).returncode != 0


# git: the filter, in a real repository

@pytest.fixture
def setup_script():
    "scripts/setup as a module."
    def load(path=ROOT/'scripts'/'setup'):
        loader = importlib.machinery.SourceFileLoader('histlm_setup', str(path))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader('histlm_setup', loader))
        loader.exec_module(module)
        return module
    return load


def dirty_notebook():
    "A notebook as JupyterLab leaves it: outputs, counts, tags and metadata of every kind."
    code = dict(cell_type='code', id='c0de', execution_count=7, source=['1 + 1'],
                metadata=dict(tags=['parameters'], collapsed=True, execution={'iopub.status.busy': '2026-01-01'}),
                outputs=[dict(output_type='execute_result', execution_count=7, metadata={}, data={'text/plain': ['2']})])
    meta = dict(kernelspec=dict(name='python3', display_name='Python 3 (ipykernel)', language='python'),
                language_info=dict(name='python', version='3.11.7'), widgets={'state': 1}, papermill={'duration': 3})
    return dict(cells=[code, dict(cell_type='markdown', id='a', metadata={'jp-MarkdownHeadingCollapsed': True}, source=['# T'])],
                metadata=meta, nbformat=4, nbformat_minor=5)


def scratch_repository(folder, setup_script, with_setup):
    "A new repository with the project's attributes; with scripts/setup's git settings where asked for."
    folder.mkdir()
    (folder/'scripts').mkdir()
    for name in ('.gitattributes', '.gitignore', 'settings.ini', 'scripts/setup', 'scripts/clean'): shutil.copy(ROOT/name, folder/name)
    (folder/'.venv').symlink_to(ROOT/'.venv')
    assert run(['git', 'init', '-q', '.'], cwd=folder).returncode == 0
    if with_setup:
        setup = setup_script(folder/'scripts'/'setup')
        assert len(setup.git_missing()) == len(setup.GIT_SETTINGS)
        setup.set_git_up()
        assert setup.git_missing() == []
    (folder/'nb.ipynb').write_text(json.dumps(dirty_notebook(), indent=1))
    got = run(['bash', '-c', 'git add .gitattributes nb.ipynb && git -c user.name=t -c user.email=t@example.org commit -qm t'], cwd=folder)
    assert got.returncode == 0, got.stdout
    return json.loads(run(['git', 'cat-file', 'blob', 'HEAD:nb.ipynb'], cwd=folder).stdout)


def test_a_committed_notebook_keeps_outputs_and_tags_and_nothing_else(tmp_path, setup_script):
    blob = scratch_repository(tmp_path/'with', setup_script, True)
    dirty = dirty_notebook()
    code, text = blob['cells']
    assert code['outputs'][0]['data'] == dirty['cells'][0]['outputs'][0]['data']
    assert code['metadata'] == {'tags': ['parameters']} and text['metadata'] == {}
    assert code['execution_count'] is None and code['outputs'][0]['execution_count'] is None
    assert blob['metadata'] == {'kernelspec': KERNELSPEC}
    assert blob.keys() == dirty.keys() and code.keys() == dirty['cells'][0].keys() and text.keys() == dirty['cells'][1].keys()
    assert code['source'] == dirty['cells'][0]['source']


def test_without_the_set_up_the_filter_is_silent(tmp_path, setup_script):
    assert scratch_repository(tmp_path/'without', setup_script, False) == dirty_notebook()


def test_clean_in_place_and_by_check(tmp_path):
    path = tmp_path/'nb.ipynb'
    path.write_text(json.dumps(dirty_notebook()))
    assert run([ROOT/'scripts'/'clean', '--check', path]).returncode == 1 and json.loads(path.read_text()) == dirty_notebook()
    assert run([ROOT/'scripts'/'clean', path]).returncode == 0 and run([ROOT/'scripts'/'clean', '--check', path]).returncode == 0
    assert json.loads(path.read_text())['metadata'] == {'kernelspec': KERNELSPEC} and os.listdir(tmp_path) == ['nb.ipynb']


def test_a_missing_filter_command_stops_the_commit(tmp_path, setup_script):
    scratch_repository(tmp_path/'r', setup_script, True)
    (tmp_path/'r'/'.venv').unlink()
    (tmp_path/'r'/'two.ipynb').write_text(json.dumps(dirty_notebook()))
    assert run(['git', 'add', 'two.ipynb'], cwd=tmp_path/'r').returncode != 0


def test_git_merges_notebooks_cell_by_cell(tmp_path, setup_script):
    folder = tmp_path/'m'
    scratch_repository(folder, setup_script, True)
    def commit(branch, change):
        nb = json.loads((folder/'nb.ipynb').read_text())
        change(nb['cells'])
        (folder/'nb.ipynb').write_text(json.dumps(nb, indent=1))
        return run(['bash', '-c', f'git add nb.ipynb && git -c user.name=t -c user.email=t@example.org commit -qm {branch}'], cwd=folder)
    run(['git', 'reset', '-q', '--hard'], cwd=folder)
    run(['git', 'checkout', '-q', '-b', 'other'], cwd=folder)
    commit('other', lambda c: c[0].update(source=['2 + 2']))
    run(['git', 'checkout', '-q', '-'], cwd=folder)
    run(['git', 'checkout', '-q', '-b', 'mine', 'HEAD'], cwd=folder)
    commit('mine', lambda c: c[0].update(source=['3 + 3']))
    run(['git', '-c', 'user.name=t', '-c', 'user.email=t@example.org', 'merge', 'other'], cwd=folder)
    merged = json.loads((folder/'nb.ipynb').read_text())  # a conflict, and still a notebook that opens
    assert {'2 + 2', '3 + 3'} <= {''.join(c['source']) for c in merged['cells']}


# scripts/setup

def test_setup_is_a_noop_the_second_time():
    if not (ROOT/'.venv'/'histlm-setup.json').exists(): pytest.skip('scripts/setup has not made this environment')
    start = time.time()
    got = run([ROOT/'scripts'/'setup'], cwd='/')
    assert got.returncode == 0 and 'nothing to do' in got.stdout, got.stdout
    assert time.time() - start < 2 * max(1, os.getloadavg()[0])


def test_setup_says_what_an_old_python_lacks(setup_script, monkeypatch):
    setup = setup_script()
    ast.parse((ROOT/'scripts'/'setup').read_text(), feature_version=(3, 6))
    monkeypatch.setattr(setup, 'OLDEST', (3, 99))
    with pytest.raises(SystemExit, match=r'needs Python 3\.99 or newer; .* is 3\.'): setup.older_than_needed()


def test_setup_repairs_a_moved_environment(setup_script, monkeypatch, tmp_path):
    setup = setup_script()
    old, new = '/somewhere/old', tmp_path/'new'
    files = {'.venv/bin/tool': f'#!{old}/.venv/bin/python\nimport tool\n', '.venv/bin/binary': f'\x7fELF\0{old}/.venv',
             'packages/__editable___finder.py': f"MAPPING = {{'histlm': '{old}/histlm'}}", 'packages/histlm-checkout.pth': f'{old}\n',
             'packages/zz_system.pth': f'{old}er/lib\n'}
    for name, text in files.items():
        (new/name).parent.mkdir(parents=True, exist_ok=True)
        (new/name).write_text(text)
    for name, value in dict(ROOT=str(new), VENV=str(new/'.venv'), BIN=str(new/'.venv'/'bin'), site_packages=lambda: str(new/'packages')).items():
        monkeypatch.setattr(setup, name, value)
    setup.moved_from(old)
    left = {'.venv/bin/binary', 'packages/zz_system.pth'}
    for name, text in files.items(): assert (new/name).read_text() == (text if name in left else text.replace(old, str(new))), name


def test_setup_notices_every_change_of_what_decides_it(project_copy, setup_script):
    setup = setup_script(project_copy/'scripts'/'setup')
    before = setup.inputs('own')
    assert before == setup.inputs('own') != setup.inputs('system-torch')
    for name in setup.INPUTS:
        last = setup.inputs('own')
        with (project_copy/name).open('a') as f: f.write('\n# changed\n')
        assert setup.inputs('own') != last, name


def test_two_setups_at_once_wait_for_each_other(project_copy, setup_script, capsys):
    import fcntl, threading
    setup = setup_script(project_copy/'scripts'/'setup')
    setup.up_to_date = lambda mode: True
    setup.set_git_up = lambda: None
    args = type('Args', (), dict(force=False, system_torch=False, own_torch=False))
    with open(project_copy/'.venv.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=setup.set_up, args=[args], daemon=True)
        second.start()
        second.join(0.5)
        assert second.is_alive() and 'waiting' in capsys.readouterr().out
        fcntl.flock(lock, fcntl.LOCK_UN)
        second.join(10)
        assert not second.is_alive()


# Packaging

def pins():
    "The versions of constraints.txt by name."
    lines = [l for l in (ROOT/'constraints.txt').read_text().splitlines() if l and l[0] != '#']
    assert all(re.fullmatch(r'[\w.-]+==[\w.]+', l) for l in lines), 'exact pins only'
    return {re.sub(r'[-_.]+', '-', n).lower(): v for n, v in (l.split('==') for l in lines)}


def test_requirements_parse_and_the_pins_meet_them():
    cfg, have = settings(), pins()
    for text in (cfg['requirements'] + ' ' + cfg['corpus_requirements'] + ' ' + cfg['dev_requirements']).split():
        r = Requirement(text)
        name = re.sub(r'[-_.]+', '-', r.name).lower()
        assert name in have, f'{text} has no pin in constraints.txt'
        assert r.specifier.contains(have[name], prereleases=True), f'{text} against the pin {have[name]}'
    assert not have['torch'].count('+') and 'histlm' not in have


def test_the_environment_is_consistent():
    got = run([PYTHON, '-m', 'pip', 'check'])
    assert got.returncode == 0, got.stdout


def test_the_version_is_said_once():
    import histlm
    assert histlm.__version__ == settings()['version']
    project = (ROOT/'pyproject.toml').read_text()
    assert f'requires-python = ">={settings()["min_python"]}"' in project and '\nversion' not in project


def test_no_path_of_a_machine_and_no_package_host_in_the_files():
    words = re.compile(r'(?<![\w./~-])/(?:work|farm|root|home/\w+|Users/\w+|opt/\w+)/|\b(?:files\.)?pythonhosted\.org'
                       r'|\bpypi\.org|download\.pytorch\.org|registry\.npmjs|deb\.debian\.org'.replace('farm', 'fa' + 'rm'))
    assert words.search('see /' + 'work/main') and not words.search('in network/work/x')
    own = ROOT/'tests'/'test_frame.py'
    bad = [f'{p.relative_to(ROOT)}: {m[0]}' for p in tracked_files() if p != own and p.suffix not in ('.png', '.jpg')
           for m in words.finditer(p.read_text(encoding='utf-8', errors='replace'))]
    assert bad == []


def test_scripts_are_sound():
    for path in (ROOT/'scripts').iterdir():
        if path.suffix or path.is_dir(): continue
        assert os.access(path, os.X_OK), f'{path.name} is not executable'
        if path.read_text().startswith('#!/usr/bin/env bash'):
            got = run(['bash', '-n', path])
            assert got.returncode == 0, got.stdout
    assert os.access(ROOT/'.ci'/'run', os.X_OK) or run(['bash', '-n', ROOT/'.ci'/'run']).returncode == 0


def test_workflows_have_least_permissions_and_tagged_actions():
    for path in (ROOT/'.github'/'workflows').glob('*.yml'):
        flow = yaml.safe_load(path.read_text())
        assert flow['permissions'] == {'contents': 'read'}, path.name
        for job in flow['jobs'].values():
            assert job.get('permissions', {}).keys() <= {'pages', 'id-token'}
            for step in job['steps']:
                if 'uses' in step: assert re.fullmatch(r'[\w-]+/[\w/-]+@v\d+', step['uses'])
                if 'run' in step:
                    words = step['run'].split()
                    assert (ROOT/words[-1]).is_file(), step['run']
