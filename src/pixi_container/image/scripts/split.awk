# Assigns each file of an environment to a layer, for split.sh.
function fail(reason) { print reason > (lists "/why"); exit 1 }

# A file that two packages have belongs to neither, and their records tell of each other.
function claim(path, package) {
  if (!(path in owner)) owner[path] = package
  else if (owner[path] != package) {
    several[package]
    several[owner[path]]
    owner[path] = ""
  }
}

function unescaped(text,   plain, at, c) {
  plain = ""
  while ((at = index(text, "\\"))) {
    c = substr(text, at + 1, 1)
    if (c != "\\" && c != "\"") fail("a name in " FILENAME " is not understood")
    plain = plain substr(text, 1, at - 1) c
    text = substr(text, at + 2)
  }
  return plain text
}

# One file name of each line of a table with commas, quoted where it has quotes or commas itself.
function first_field(line,   end) {
  if (substr(line, 1, 1) != "\"") return substr(line, 1, index(line, ",") - 1)
  line = substr(line, 2)
  gsub(/""/, "\001", line)
  end = index(line, "\"")
  line = substr(line, 1, end - 1)
  gsub(/\001/, "\"", line)
  return line
}

kind == "layer" { for (i = 2; i <= NF; i++) layer[$i] = $1; next }

kind == "conda" && FNR == 1 {
  if (open || $0 != "{") fail((open ? open : FILENAME) " is not understood")
  open = FILENAME
  package = listed = inside = ""
  next
}
kind == "conda" && inside && /^    ".*",?$/ {
  sub(/^    "/, "")
  sub(/",?$/, "")
  path = index($0, "\\") ? unescaped($0) : $0
  claim(path, package)
  # The loser of two packages that have the same file: the winner has it where both want it.
  if (sub(/^__clobbers__\/[^\/]+\//, "", path)) claim(path, package)
  next
}
kind == "conda" && inside {
  if ($0 !~ /^  \],?$/) fail(FILENAME " is not understood")
  inside = ""
  next
}
kind == "conda" && /^  "name": "[^"\\]+",$/ && !package { package = "conda:" substr($0, 12, length($0) - 13); next }
kind == "conda" && /^  "files": \[/ && package && !listed {
  listed = 1
  inside = /\[$/
  next
}
kind == "conda" && /^}$/ {
  if (!package || !listed) fail(FILENAME " is not understood")
  record[FILENAME] = package
  open = ""
  found++
  next
}
kind == "conda" { next }

kind == "pypi" && FNR == 1 {
  folder = FILENAME
  sub(/[^\/]+\/RECORD$/, "", folder)
  package = tolower(substr(FILENAME, length(folder) + 1))
  sub(/-.*/, "", package)
  gsub(/[-_.]+/, "-", package)
  package = "pypi:" package
}
kind == "pypi" {
  path = folder first_field($0)
  while (match(path, /[^\/]+\/\.\.\//)) path = substr(path, 1, RSTART - 1) substr(path, RSTART + RLENGTH)
  claim(path, package)
  next
}

kind == "all" && FNR == 1 { if (open || found != count) fail((open ? open : "a record") " is not understood") }
{
  path = index($0, top) == 1 ? substr($0, length(top) + 1) : ""
  package = ""
  if (path in record) {
    package = record[path]
    if (records == "random" || package in several) package = ""
  } else if (path in owner) package = owner[path]
  print substr($0, 2) > (lists "/layers/" (package in layer ? layer[package] : "rest"))
}
