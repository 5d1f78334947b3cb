# The environment of every command that starts Spark here; sourced from the top of the project, by bash.

export CLICKMILL_CACHE=${CLICKMILL_CACHE:-.cache}
case $CLICKMILL_CACHE in /*) ;; *) CLICKMILL_CACHE=$PWD/$CLICKMILL_CACHE ;; esac
export PYSPARK_PYTHON=$PWD/.venv/bin/python   # else Spark's workers start the machine's own python3
export SPARK_LOCAL_IP=127.0.0.1

# Print the home of a Java that Spark 4 starts on: 17 or 21, and not a trimmed runtime.
java_home() {
  local home version
  for home in "${JAVA_HOME:-}" "$(dirname "$(dirname "$(readlink -f "$(command -v java || echo /none/none)")")")" \
      /usr/lib/jvm/*-17-* /usr/lib/jvm/*-21-*; do
    [ -n "$home" ] && [ -x "$home/bin/java" ] || continue
    version=$("$home/bin/java" --list-modules 2>/dev/null | sed -n 's/^jdk\.incubator\.vector@\([0-9]*\).*/\1/p')
    case $version in 17 | 21) echo "$home"; return ;; esac
  done
  return 1
}
