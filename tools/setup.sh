#!/usr/bin/env bash
# Sets up all that `make demo`, `make test` and `make lint` need. A step whose inputs have not changed is skipped.
#
# Needs Python 3.11, a full Java runtime 17 or 21 and g++: a Debian-like machine where we are root gets what is missing,
# elsewhere one line says what to install. All else comes from the package registries and stays in .venv/ and .cache/.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/env.sh

mkdir -p "$CLICKMILL_CACHE"
LOG=$CLICKMILL_CACHE/setup.log
export UV_CACHE_DIR=$CLICKMILL_CACHE/uv UV_NO_PROGRESS=1 UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180}
unset PYTHONPATH VIRTUAL_ENV

say() { echo "set-up: $*"; }
stop() { echo "set-up: $*" >&2; exit 1; }

# Two set-ups at once wait for each other.
if command -v flock >/dev/null; then exec 9>"$CLICKMILL_CACHE/setup.lock"; flock 9; fi

key_of() { cat "$@" | sha256sum | cut -c1-16; }

# step STAMP KEY MESSAGE FUNCTION: run FUNCTION unless STAMP holds KEY; what it prints goes to the log.
step() {
  local stamp=$1 key=$2 message=$3 run=$4 began=$SECONDS
  [ "$(cat "$stamp" 2>/dev/null)" = "$key" ] && return
  say "$message"
  # A subshell of its own: `set -e` is off inside a condition.
  set +e
  (set -e; "$run") >"$LOG" 2>&1 9>&-
  local code=$?
  set -e
  if [ $code != 0 ]; then
    grep -v '^\s*at ' "$LOG" | tail -n 5 >&2   # without the rows of a Java trace
    stop "failed ($message): the whole output is in $LOG"
  fi
  mkdir -p "$(dirname "$stamp")"
  echo "$key" >"$stamp"
  say "  done in $((SECONDS - began)) s"
}

# ---- the machine --------------------------------------------------------------------------------------------------

# A Python 3.11 that can make environments and compile extensions; a name on PATH may be a shim that starts nothing.
python311() {
  local candidate
  for candidate in ${PYTHON:-} $(type -ap python3.11 python3 || true); do
    "$candidate" - 2>/dev/null <<'PY' && return
import ensurepip, os, sys, sysconfig, venv
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
sys.exit(sys.version_info[:2] != (3, 11) or not os.path.exists(header) or print(sys.executable))
PY
  done
  return 1
}

missing() {
  python311 >/dev/null || echo "python3.11 python3.11-venv python3.11-dev"
  java_home >/dev/null || echo openjdk-17-jre-headless
  command -v g++ >/dev/null || echo g++
}

install_missing() {
  export DEBIAN_FRONTEND=noninteractive
  local packages
  packages=$(missing)
  apt-get update
  # Newer releases hold Java 21 in place of 17.
  apt-cache show openjdk-17-jre-headless >/dev/null 2>&1 || packages=${packages/openjdk-17/openjdk-21}
  # shellcheck disable=SC2086 # a list of names
  apt-get install -y --no-install-recommends $packages
}

lacking=$(missing | xargs)
if [ -n "$lacking" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    rm -f "$CLICKMILL_CACHE/.machine"
    step "$CLICKMILL_CACHE/.machine" "$lacking" "installing $lacking" install_missing
  fi
  lacking=$(missing | xargs)
  [ -z "$lacking" ] || stop "please install Python 3.11 with its headers, a full Java runtime 17 or 21, and g++; missing here, by their Debian names: $lacking (where they are there already: set PYTHON to the python3.11 and JAVA_HOME to the Java)"
fi
PYTHON=$(python311)
JAVA_HOME=$(java_home)
export JAVA_HOME

# ---- Python -------------------------------------------------------------------------------------------------------

BOOT=$CLICKMILL_CACHE/boot
install_uv() {
  rm -rf "$BOOT"
  "$PYTHON" -m venv "$BOOT"
  "$BOOT/bin/pip" install -q --require-hashes -r requirements/boot.txt
}
step "$BOOT/.stamp" "$(key_of requirements/boot.txt <(echo "$PYTHON"))" "fetching the installer" install_uv
UV=$BOOT/bin/uv

# A fresh environment each time: nothing that left the lock stays behind.
install_packages() {
  "$UV" venv -q --clear --python "$PYTHON" .venv
  "$UV" pip install --python .venv/bin/python --require-hashes -r requirements/lock.txt
}
step .venv/.stamps/packages "$(key_of requirements/lock.txt <(echo "$PYTHON $PWD"))" \
  "installing Python packages into .venv (7 GB; the first time this fetches 3 GB)" install_packages

# ---- Horovod: only a source archive, which does not compile against a present torch as it is ------------------------

pinned() { sed -n "s/^$1==\([^ ]*\).*/\1/p" "$2"; }
HOROVOD=$(pinned horovod requirements/horovod.txt)
WHEELS=$CLICKMILL_CACHE/wheels/$HOROVOD-$(pinned torch requirements/lock.txt)-cp311-$(uname -m)
build_horovod() {
  local work=$CLICKMILL_CACHE/horovod
  rm -rf "$work" "$WHEELS"
  mkdir -p "$work" "$WHEELS"
  export PATH=$PWD/.venv/bin:$PATH   # cmake and ninja
  "$BOOT/bin/pip" --python .venv/bin/python download -q --no-deps --no-binary :all: --no-build-isolation --require-hashes -r requirements/horovod.txt -d "$work"
  tar -xzf "$work/horovod-$HOROVOD.tar.gz" -C "$work"
  # torch's headers need C++17.
  sed -i 's/CMAKE_CXX_STANDARD 14/CMAKE_CXX_STANDARD 17/' "$work/horovod-$HOROVOD/CMakeLists.txt" "$work/horovod-$HOROVOD/horovod/torch/CMakeLists.txt"
  HOROVOD_WITH_PYTORCH=1 HOROVOD_WITHOUT_TENSORFLOW=1 HOROVOD_WITHOUT_MXNET=1 HOROVOD_WITH_GLOO=1 HOROVOD_WITHOUT_MPI=1 \
    "$UV" build -q --wheel --no-build-isolation --python .venv/bin/python -o "$WHEELS" "$work/horovod-$HOROVOD"
  rm -rf "$work"
}
HOROVOD_KEY=$(key_of requirements/horovod.txt <(type build_horovod))
step "$WHEELS/.stamp" "$HOROVOD_KEY" "building Horovod $HOROVOD from source (some minutes, once)" build_horovod
install_horovod() { "$UV" pip install --python .venv/bin/python --no-deps --no-index "$WHEELS"/horovod-*.whl; }
step .venv/.stamps/horovod "$HOROVOD_KEY" "installing Horovod" install_horovod

# ---- clickmill itself, editable -----------------------------------------------------------------------------------

install_clickmill() { "$UV" pip install --python .venv/bin/python --no-deps --no-index --no-build-isolation -e .; }
step .venv/.stamps/clickmill "$(key_of setup.py pyproject.toml requirements/*.in lib/clickmill/__init__.py)" "installing clickmill" install_clickmill

# ---- the jars of Delta --------------------------------------------------------------------------------------------

JARS=$(sed -n 's/^delta-spark==/io.delta:delta-spark_2.13:/p' requirements/core.in)
resolve_jars() {
  rm -rf "$CLICKMILL_CACHE/ivy"
  mkdir -p "$CLICKMILL_CACHE/ivy"
  local nothing=$CLICKMILL_CACHE/ivy/nothing.py   # spark-submit resolves before it starts a script
  : >"$nothing"
  .venv/bin/spark-submit --master 'local[1]' --packages "$JARS" --conf spark.jars.ivy="$CLICKMILL_CACHE/ivy" "$nothing"
}
step "$CLICKMILL_CACHE/ivy/.stamp" "$JARS" "fetching the Delta jars" resolve_jars

# ---- the classes that a session needs, as Java has them once they are loaded: every later start takes half as long --

note_classes() {
  rm -f .venv/spark.jsa .venv/noted.jsa
  .venv/bin/python - .venv/noted.jsa <<'PY'
import sys
from clickmill import doctor, session
spark = session.build("classes", {"spark.driver.defaultJavaOptions": f"-XX:ArchiveClassesAtExit={sys.argv[1]}"})
doctor.round_trip(spark)
gateway = spark.sparkContext._gateway
spark.stop()
gateway.shutdown()
gateway.proc.stdin.close()
gateway.proc.wait()
PY
  # A Java that cannot note them starts as it always did.
  [ ! -e .venv/noted.jsa ] || mv .venv/noted.jsa .venv/spark.jsa
}
step .venv/.stamps/classes "$(key_of requirements/lock.txt <(echo "$JAVA_HOME $PWD"; type note_classes))" "noting what Java loads" note_classes
