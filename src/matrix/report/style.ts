/** The style of the report: light and dark as the reader has it, and on narrow screens a list in place of each table. */
export const style = `
:root{color-scheme:light dark;--page:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--sunk:#f6f8fa;
--good:#116329;--good-back:#dafbe1;--bad:#a40e26;--bad-back:#ffebe9;--odd:#7d4e00;--odd-back:#fff8c5;--none:#57606a;--none-back:#eaeef2}
@media (prefers-color-scheme:dark){:root{--page:#0d1117;--ink:#e6edf3;--soft:#9da7b1;--line:#30363d;--sunk:#161b22;
--good:#7ee2a0;--good-back:#12361f;--bad:#ffaba8;--bad-back:#4b1113;--odd:#f2cc60;--odd-back:#3a2d05;--none:#b1bac4;--none-back:#21262d}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:80rem;padding:1rem;background:var(--page);color:var(--ink);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}
p,dl,ul{margin:.25rem 0}ul{padding-left:1.25rem}.soft,dt,caption{color:var(--soft)}a{color:inherit}
.good{color:var(--good);background:var(--good-back)}.bad{color:var(--bad);background:var(--bad-back)}
.odd{color:var(--odd);background:var(--odd-back)}.none{color:var(--none);background:var(--none-back)}
.chip{display:inline-block;border-radius:.4rem;padding:0 .5rem;font-weight:600}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;table-layout:fixed}
th,td{border:1px solid var(--line);padding:0;text-align:left}
th{padding:.4rem .6rem;background:var(--sunk);font-weight:600}
td>a,td>span{display:block;padding:.4rem .6rem}td>a{text-decoration:none}
td>a:hover,td>a:focus-visible{outline:2px solid currentColor;outline-offset:-2px}
td b,td small{display:block}
details{border:1px solid var(--line);border-radius:.4rem;margin:.5rem 0}
summary{cursor:pointer;padding:.5rem .75rem}
details>div{border-top:1px solid var(--line);padding:.5rem .75rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}dd{margin:0}
pre,code{font:.85rem/1.4 ui-monospace,monospace}
pre{margin:.5rem 0 0;padding:.75rem;background:var(--sunk);border-radius:.4rem;max-height:32rem;overflow-y:auto;white-space:pre-wrap}
@media (max-width:40rem){
table,tbody,tr,td,tbody th{display:block;width:100%}thead{display:none}
tr{margin:0 0 .75rem}td{border-top:0}
td>a,td>span{display:flex;flex-wrap:wrap;gap:0 .6rem;align-items:baseline}
td>a::before,td>span::before{content:attr(data-to);flex:1 1 100%;color:var(--ink)}
dl{display:block}dd{margin:0 0 .4rem}
}
@media print{details>div{display:block}pre{max-height:none}}
`
