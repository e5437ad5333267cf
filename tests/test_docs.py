"The published book: nbdev processes every chapter, links and pictures lead somewhere, the plain site stands by itself."
import importlib.util, json, re, shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest, yaml

from conftest import ROOT, chapters, run


def load_builder():
    "scripts/site/build.py as a module."
    spec = importlib.util.spec_from_file_location('histlm_site', ROOT/'scripts'/'site'/'build.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = load_builder()


@pytest.fixture(scope='module')
def proc(tmp_path_factory): return build.process(tmp_path_factory.mktemp('docs'))


@pytest.fixture(scope='module')
def site(proc, tmp_path_factory):
    out = tmp_path_factory.mktemp('site')/'book'
    build.render_plain(proc, out)
    return out


class Page(HTMLParser):
    "The addresses that a page uses and the anchors that it offers."
    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.ids, self.text = [], [], set(), ''
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get('id'): self.ids.add(attrs['id'])
        if tag == 'a' and attrs.get('href'): self.links.append(attrs['href'])
        elif attrs.get('href') or attrs.get('src'): self.loads.append(attrs.get('href') or attrs['src'])

    def handle_data(self, data): self.text += data


def faults(site):
    "What does not lead anywhere in a folder of pages: (page, address)."
    pages = {p.name: Page(p) for p in site.glob('*.html')}
    for name, page in pages.items():
        for address in page.links + page.loads:
            target, anchor = urldefrag(address)
            if re.match(r'https?://', address):
                if address in page.loads: yield name, f'{address} is loaded from the network'
            elif address.startswith('data:image/'): continue
            elif target and not (site/unquote(target)).is_file(): yield name, address
            elif anchor and (target or name) in pages and anchor not in pages[target or name].ids: yield name, address


def test_nbdev_processes_every_chapter(proc):
    assert {p.name for p in proc.glob('*.ipynb')} == {p.name for p in chapters()}
    for path in proc.glob('*.ipynb'): assert build.front_matter(build.read(path))['title']


def test_every_chapter_has_a_page_with_its_code(site):
    for path in chapters():
        nb = build.read(path)
        name = 'index' if path.stem == 'index' else path.stem.partition('_')[2]
        text = Page(site/f'{name}.html').text
        for c in nb['cells']:
            if c['cell_type'] != 'code' or not re.search(r'^#\|\s*export\b', c['source'], re.M): continue
            for found in re.findall(r'^(?:def|class) \w+', c['source'], re.M): assert found in text, (path.name, found)
        assert '#| ' not in text and 'show_doc' not in text


def test_links_and_pictures_lead_somewhere(site): assert list(faults(site)) == []


@pytest.mark.parametrize('broken', ['<a href="nowhere.html">x</a>', '<a href="#no-such-heading">x</a>', '<img src="no.png">',
                                    '<script src="https://example.org/x.js"></script>'])
def test_a_broken_link_would_be_noticed(site, tmp_path, broken):
    shutil.copytree(site, tmp_path/'s')
    page = next((tmp_path/'s').glob('*.html'))
    page.write_text(page.read_text(encoding='utf-8').replace('</main>', broken + '</main>'), encoding='utf-8')
    assert len(list(faults(tmp_path/'s'))) == 1


def test_formulas_are_drawn_without_the_network(site):
    assert '<math' in build.mathml(r'-\frac{1}{n}\sum_t \log_2 p(x_t)', True)
    assert not [p.name for p in site.glob('*.html') if 'class="tex"' in p.read_text(encoding='utf-8')]


def test_the_quarto_files_belong_together(project_copy):
    assert (ROOT/'nbs'/'_quarto.yml').is_symlink() and (ROOT/'nbs'/'_quarto.yml').resolve() == ROOT/'_quarto.yml'
    quarto = yaml.safe_load((ROOT/'_quarto.yml').read_text())
    assert quarto['project'] == {'type': 'website'}
    for name in [*quarto['metadata-files'], quarto['format']['html']['css'], quarto['website']['favicon']]:
        assert (ROOT/'nbs'/name).is_file(), name
    before = (project_copy/'nbs'/'nbdev.yml').read_text()
    got = run([build.sys.executable, '-c', 'from nbdev.quarto import refresh_quarto_yml as r; r()'], cwd=project_copy)
    assert got.returncode == 0, got.stdout
    assert (project_copy/'nbs'/'nbdev.yml').read_text() == before, 'nbs/nbdev.yml is out of step with settings.ini'
    assert (project_copy/'nbs'/'_quarto.yml').is_symlink()


# README.md is the index chapter

def words(text):
    "A text as the words that a reader sees, however its Markdown is laid out."
    return re.findall(r'\w+', text)


def test_the_readme_is_in_step_with_the_index():
    assert words((ROOT/'README.md').read_text(encoding='utf-8')) == words(build.readme_text()), 'run scripts/docs --readme'


def test_the_readme_links_to_files_that_exist():
    text = (ROOT/'README.md').read_text(encoding='utf-8')
    links = [l for l in re.findall(r'\]\(([^)\s]+)\)', text) if not re.match(r'https?://|#', l)]
    assert links and [l for l in links if not (ROOT/urldefrag(l)[0]).exists()] == []


def commands(text):
    "The lines of the shell blocks of a text, continued lines joined, comments dropped."
    for block in re.findall(r'```(?:bash|sh|shell|console)\n(.*?)```', text, re.S):
        for line in block.replace('\\\n', ' ').splitlines():
            line = re.sub(r'\s+#.*', '', line).strip().removeprefix('$ ')
            if line and line[0] != '#': yield line


def unknown(line, options):
    "What a README command names that does not exist: scripts, modules, notebooks, options of scripts/train."
    for word in line.split():
        if word.startswith(('scripts/', 'nbs/', '.venv/')) and not list(ROOT.glob(word)): yield word
    for module in re.findall(r'-m (histlm\.\w+)', line):
        if not (ROOT/(module.replace('.', '/') + '.py')).exists(): yield module
    if 'scripts/train' in line:
        yield from (o for o in re.findall(r'(?<!\S)(--?[a-z][\w-]*)', line.partition('scripts/train')[2]) if o not in options)


def test_the_readme_commands_exist():
    lines = list(commands((ROOT/'README.md').read_text(encoding='utf-8')))
    assert any('scripts/train' in l for l in lines) and any('scripts/test' in l for l in lines)
    help_text = run([ROOT/'scripts'/'train', '--help'])
    assert help_text.returncode == 0, help_text.stdout
    options = set(re.findall(r'(?<![\w-])(--?[a-z][\w-]*)', help_text.stdout))
    assert [(l, u) for l in lines for u in unknown(l, options)] == []
    assert list(unknown('scripts/nothing && python -m histlm.nothing && scripts/train --no-such', options)) == \
        ['scripts/nothing', 'histlm.nothing', '--no-such']

