"Hand settings.ini, the one place where the package is described, to setuptools."
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

here = Path(__file__).parent
config = ConfigParser(delimiters=['='])
config.read(here / 'settings.ini', encoding='utf-8')
cfg = config['DEFAULT']
readme = here / 'README.md'

setup(
    version=cfg['version'],
    description=cfg['description'],
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else cfg['description'],
    long_description_content_type='text/markdown',
    keywords=cfg['keywords'],
    license='Apache-2.0',
    author=cfg['author'],
    author_email=cfg['author_email'],
    url=cfg['git_url'],
    classifiers=['Development Status :: 3 - Alpha', 'Intended Audience :: Developers',
                 'Intended Audience :: Science/Research', 'Natural Language :: English',
                 'Programming Language :: Python :: 3'],
    packages=[cfg['lib_name']],
    package_data={cfg['lib_name']: ['*.toml', '*.txt.gz', '*.tsv']},  # the source list, the word list, the dated words
    include_package_data=True,
    zip_safe=False,
    install_requires=cfg['requirements'].split(),
    extras_require={'corpus': cfg['corpus_requirements'].split(),
                    'dev': cfg['dev_requirements'].split() + cfg['corpus_requirements'].split()},
    entry_points={'console_scripts': cfg.get('console_scripts', '').split(),
                  'nbdev': [f'{cfg["lib_name"]}={cfg["lib_path"]}._modidx:d']},  # the docs link `names` to their definitions
)
