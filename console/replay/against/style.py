"""Style: how the page of a comparison looks, by day and by night."""

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf8; --card: #ffffff; --ink: #1d2430; --soft: #667085; --line: #e4e2dd;
  --real: #94a3b8; --draft: #4453c9; --more: #0f8f7f; --fewer: #d2603a; --moved: #9a6fd0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12151b; --card: #1a1f28; --ink: #e8eaee; --soft: #98a2b3; --line: #2c3340;
    --real: #64748b; --draft: #97a3ff; --more: #3ecbb6; --fewer: #f08c66; --moved: #c3a0f0;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 80px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; letter-spacing: -.02em; }
h2 { font-size: 22px; margin: 56px 0 4px; letter-spacing: -.01em; }
h3 { font-size: 15px; margin: 0 0 12px; font-weight: 600; }
p { margin: 0 0 12px; max-width: 70ch; }
.soft, .legend, figcaption { color: var(--soft); }
.note { border-left: 3px solid var(--fewer); padding: 6px 14px; margin: 10px 0; }
.card, .tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.card { padding: 20px 22px; margin: 16px 0; overflow-x: auto; }
.tiles { display: grid; gap: 12px; margin: 16px 0;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.tile { padding: 14px 18px; }
.tile b { display: block; font-size: 26px; line-height: 1.25; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums; }
.tile > span { color: var(--soft); font-size: 14px; }
.more { color: var(--more); } .fewer { color: var(--fewer); }
table { border-collapse: collapse; width: 100%; font-size: 14px;
  font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 500; color: var(--soft); padding: 4px 10px; }
td { text-align: right; padding: 7px 10px; border-top: 1px solid var(--line);
  white-space: nowrap; }
.why { display: inline-block; white-space: normal; }
th.name, td.name { text-align: left; padding-left: 0; }
code { font: 13px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
a { color: var(--draft); }
svg { display: block; width: 100%; min-width: 620px; height: auto; }
svg text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
svg .label { fill: var(--ink); }
svg .end { text-anchor: end; } svg .middle { text-anchor: middle; }
svg .rule { stroke: var(--line); stroke-width: 1; }
.real { fill: var(--real); } .draft { fill: var(--draft); }
.is-more { fill: var(--more); } .is-fewer { fill: var(--fewer); } .is-moved { fill: var(--moved); }
path.real { opacity: .45; }
path.draft { fill: none; stroke: var(--draft); stroke-width: 2; stroke-linejoin: round; }
.cell { stroke: var(--card); stroke-width: 2; }
.nothing { fill: var(--line); opacity: .5; }
.legend { font-size: 13px; margin: -6px 0 12px; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px;
  margin: 0 6px 0 14px; }
.legend i:first-child { margin-left: 0; }
@media print { .card, .tile { break-inside: avoid; } }
"""
