# Remove from the lock what Python packages require, and what conda packages require of those that are skipped, whose
# names are the arguments before the file.
#
# Pixi skips whatever it reaches from no package that is required by none, such as packages in a circle: an extra that
# names its own package is one. It does not need these lists to install from a lock.
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
