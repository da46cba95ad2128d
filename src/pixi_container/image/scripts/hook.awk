# Keep of `pixi shell-hook` what packages and the workspace add to the activation. activate.sh sets the other variables:
# pixi prints those in random order, and with the PATH of the build.

# Return the quote that is still open at the end of the text, as in a value of several lines, else "".
function quoted(text, quote,   i, c) {
  for (i = 1; i <= length(text); i++) {
    c = substr(text, i, 1)
    if (c == "\\" && quote != "\047") i++
    else if (c == quote) quote = ""
    else if (quote == "" && (c == "\047" || c == "\"")) quote = c
  }
  return quote
}
quote { print; quote = quoted($0, quote); next }
/^pixi\(\) \{/ { inside = 1 }
inside { if ($0 == "}") inside = 0; next }
{ quote = quoted($0, "") }
/^export PATH=/ && !path++ { next }
/^export (CONDA_SHLVL|CONDA_ENV_SHLVL_[A-Za-z0-9_]+|CONDA_PREFIX|CONDA_DEFAULT_ENV|PIXI_IN_SHELL|PIXI_EXE|PIXI_PROMPT)=/ { next }
/^export PIXI_(PROJECT_(ROOT|NAME|MANIFEST|VERSION)|ENVIRONMENT_(NAME|PLATFORMS))=/ { next }
NF { print }
