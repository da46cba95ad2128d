# Remove from the lock all requirements of Python packages, and the requirements of conda packages on skipped packages.
# The names of the skipped packages are the arguments before the file.
#
# With --skip, pixi also skips packages that it cannot reach from a package that nothing requires, such as packages in
# a cycle; an extra that names its own package is one. Pixi does not need these lists to install from a lock.
BEGIN {
  for (i = 1; i < ARGC - 1; i++) {
    skipped[normal(ARGV[i])]
    delete ARGV[i]
  }
}
function normal(name) {
  name = tolower(name)
  gsub(/[-_.]+/, "-", name)
  return name
}
/^  (depends|requires_dist):$/ {
  list = $0
  next
}
list ~ /requires_dist/ && /^  - / { next }
list && /^  - / {
  name = $0
  sub(/^  - ['"]?/, "", name)
  sub(/[^A-Za-z0-9._-].*/, "", name)
  if (normal(name) in skipped) next
  if (list != "open") print list
  list = "open"
  print
  next
}
{
  list = ""
  print
}
