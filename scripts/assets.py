"""Install the console's third-party files from npm, and copy what is used into the package.

    python scripts/assets.py

``web/package-lock.json`` says which versions, with their digests. Nothing third-party is committed: the files land in
``src/trailwarden/faces/web/static/vendor`` (ignored by Git, packed into the wheel), and nothing is loaded from
elsewhere at run time. Every package's licence is copied beside its files.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
MODULES = WEB / "node_modules"
CONSOLE = ROOT / "src/trailwarden/faces/web"
VENDOR = CONSOLE / "static/vendor"
#: What is copied as it is: the file in the package, and its name here.
COPIED = {
    "htmx.org/dist/htmx.min.js": "htmx.js",
    "uplot/dist/uPlot.min.css": "uplot.css",
    "cytoscape/dist/cytoscape.esm.min.mjs": "cytoscape.js",
    "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2": "inter.woff2",
    "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2": "mono.woff2",
}
LICENCES = {
    "htmx.org": "LICENSE",
    "uplot": "LICENSE",
    "cytoscape": "LICENSE",
    "@fontsource-variable/inter": "LICENSE",
    "@fontsource-variable/jetbrains-mono": "LICENSE",
    "lucide-static": "LICENSE",
}
#: Whatever is quoted in a template, module or page and is the name of an icon.
_QUOTED = re.compile(r"""["']([a-z0-9]+(?:-[a-z0-9]+)*)["']""")
_SVG = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


def installed() -> bool:
    """Whether ``web/node_modules`` is what the lock says; npm leaves a copy of the lock there when it is done."""
    done, wanted = MODULES / ".package-lock.json", WEB / "package-lock.json"
    return done.exists() and done.stat().st_mtime >= wanted.stat().st_mtime


def install() -> None:
    """Put the locked packages into ``web/node_modules``."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is missing. Remedy: install Node.js 20 or newer (Debian and Ubuntu: apt-get install npm)")
    command = [npm, "ci", "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"]
    if subprocess.run(command, cwd=WEB, check=False).returncode:  # noqa: S603 - a fixed command
        sys.exit("npm could not install the console's packages. Remedy: read its message above, and run it again")


def icons_used() -> list[str]:
    """The names of the icons that templates, modules and pages name."""
    files = [*CONSOLE.rglob("*.html"), *(CONSOLE / "static/js").glob("*.js"), *CONSOLE.rglob("*.py")]
    named = {name for file in files for name in _QUOTED.findall(file.read_text(encoding="utf-8"))}
    return sorted(name for name in named if (MODULES / f"lucide-static/icons/{name}.svg").exists())


def sprite(names: list[str]) -> str:
    """One SVG with a symbol an icon."""
    symbols = []
    for name in names:
        file = MODULES / f"lucide-static/icons/{name}.svg"
        drawing = _SVG.search(file.read_text(encoding="utf-8"))
        assert drawing is not None, file
        inner = " ".join(drawing.group(1).split())
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{inner}</symbol>')
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>\n'


def copy() -> None:
    """Make ``static/vendor`` anew."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    (VENDOR / "licences").mkdir(parents=True)
    for source, name in COPIED.items():
        shutil.copyfile(MODULES / source, VENDOR / name)
    for package, name in LICENCES.items():
        shutil.copyfile(MODULES / package / name, VENDOR / "licences" / f"{package.rpartition('/')[2]}.txt")
    # Published minified only as a script that defines a variable: the export makes a module of it.
    plot = (MODULES / "uplot/dist/uPlot.iife.min.js").read_text(encoding="utf-8")
    (VENDOR / "uplot.js").write_text(f"{plot.rstrip()}\nexport default uPlot;\n", encoding="utf-8")
    names = icons_used()
    (VENDOR / "icons.svg").write_text(sprite(names), encoding="utf-8")
    size = sum(file.stat().st_size for file in VENDOR.rglob("*") if file.is_file())
    sys.stdout.write(f"{len(names)} icons and {len(COPIED) + 1} files, {size // 1024:,} KiB, in {VENDOR}\n")


if __name__ == "__main__":
    if not installed():
        install()
    copy()
