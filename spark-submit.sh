#!/usr/bin/env bash
# One job, or one command of clickmill, as one spark-submit line.
#
#   ./spark-submit.sh <job> --env <local|yarn|k8s|databricks> --date <day> [--to <day>] [--gpu] [--dry-run] [options of the job]
#   ./spark-submit.sh clickmill --env <local|yarn|k8s|databricks> [--dry-run] -- <words of clickmill, such as: run flow --date <day>>
#
# Days are YYYY-MM-DD, both ends included. --gpu asks for one GPU a task, for train_ctr_models (conf/spark/gpu/). --dry-run prints the line and runs nothing; behind -- every word is the job's or the
# command's own. Paths are relative to this folder.
# Ends with the exit code of spark-submit, which in client mode is the job's; 2 when this command line is wrong. In cluster mode it
# is not: docs/operations.md says where the outcome is found.
set -euo pipefail
cd "$(dirname "$0")"

wrong() { echo "spark-submit.sh: $*" >&2; exit 2; }
names() { printf '%s\n' "$@" | sed 's#.*/##; s#\.[a-z]*$##' | xargs; }   # of files, without folder and suffix
value() { [ $# -ge 2 ] || wrong "$1 needs a value"; echo "$2"; }

# A day that the calendar has; date(1) differs from system to system and lets others through.
is_day() {
  [[ $1 =~ ^([0-9]{4})-(0[1-9]|1[0-2])-([0-9]{2})$ ]] || return 1
  local year=$((10#${BASH_REMATCH[1]})) month=$((10#${BASH_REMATCH[2]})) day=$((10#${BASH_REMATCH[3]})) leap=0
  ((year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))) && leap=1
  local lengths=(0 31 $((28 + leap)) 31 30 31 30 31 31 30 31 30 31)
  ((year >= 1 && day >= 1 && day <= lengths[month]))
}

job='' env='' first='' last='' gpu='' dry_run='' options=() words=()
while [ $# -gt 0 ]; do
  case $1 in
    --env) env=$(value "$@"); shift 2 ;;
    --date) first=$(value "$@"); shift 2 ;;
    --to) last=$(value "$@"); shift 2 ;;
    --gpu) gpu=yes; shift ;;
    --dry-run) dry_run=yes; shift ;;
    --) shift; words=("$@"); break ;;
    -h | --help) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *) if [ -z "$job" ]; then job=$1; else options+=("$1"); fi; shift ;;
  esac
done

case $job$env in */*) wrong "a job and an environment are names, not paths" ;; esac
[ -n "$job" ] || wrong "no job is named; there are: $(names jobs/*.py) clickmill"
[ "$job" = clickmill ] || [ -f "jobs/$job.py" ] || wrong "no job is called $job; there are: $(names jobs/*.py) clickmill"
[ -n "$env" ] || wrong "--env is missing; there are: $(names conf/spark/*.conf)"
[ -f "conf/spark/$env.conf" ] || wrong "no environment is called $env; there are: $(names conf/spark/*.conf)"
[ -z "$gpu" ] || [ -f "conf/spark/gpu/$env.conf" ] || wrong "--gpu: no GPUs are known in $env; they are in $(names conf/spark/gpu/*.conf)"
if [ "$job" = clickmill ]; then
  [ -z "$first$last${options[*]}" ] && [ ${#words[@]} -gt 0 ] ||
    wrong "what clickmill is to do stands behind --, as in: clickmill --env $env -- tables"
  case " ${words[*]} " in
    *' --env'[\ =]*) wrong "--env stands before --; the command is given it too" ;;
    ' flow '* | ' doctor '* | ' train '* | ' sources list '* | ' sources new '*)
      wrong "no cluster is needed for clickmill ${words[*]}: run it by itself" ;;
  esac
  script=tools/clickmill_cli.py
  arguments=("${words[@]}" --env "$env")
else
  [ -n "$first" ] || wrong "--date is missing: the first day of the run, YYYY-MM-DD"
  is_day "$first" || wrong "--date $first is no day; expected YYYY-MM-DD"
  [ -z "$last" ] || is_day "$last" || wrong "--to $last is no day; expected YYYY-MM-DD"
  [ -z "$last" ] || [[ ! $last < $first ]] || wrong "--to $last is before --date $first"
  script=jobs/$job.py
  arguments=(--env "$env" --date "$first" ${last:+--to "$last"} "${options[@]}" "${words[@]}")
fi

version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' lib/clickmill/__init__.py)
wheel=dist/clickmill-$version.zip   # a zip copy of the wheel: Spark takes no other ending
archive=dist/environment.tar.gz
delta=$(sed -n 's/^delta-spark==/io.delta:delta-spark_2.13:/p' requirements/core.in)
ivy=${CLICKMILL_CACHE:-$PWD/.cache}/ivy   # Ivy takes no relative folder
case $ivy in /*) ;; *) ivy=$PWD/$ivy ;; esac

# The words of a line as they can be pasted into a shell in this folder, on any machine.
shown() {
  local word
  for word in "$@"; do
    if [ "$word" = "spark.jars.ivy=$PWD/.cache/ivy" ]; then printf '%s ' '"spark.jars.ivy=$PWD/.cache/ivy"'; else printf '%q ' "$word"; fi
  done | sed 's/ $//'
  echo
}

case $env in
  local)
    settings=(PYSPARK_PYTHON=.venv/bin/python SPARK_LOCAL_IP=127.0.0.1)
    submit=(.venv/bin/spark-submit --properties-file "conf/spark/$env.conf" --packages "$delta" --conf "spark.jars.ivy=$ivy" --py-files "$wheel")
    ;;
  databricks)
    settings=()
    submit=(spark-submit)
    while read -r key property; do
      case $key in
        '' | '#'*) ;;
        spark.clickmill.folder) wheel=$property/$wheel script=$property/$script ;;
        *) submit+=(--conf "$key=$property") ;;
      esac
    done <"conf/spark/$env.conf"
    submit+=(--py-files "$wheel")
    ;;
  *)
    settings=()
    submit=(spark-submit --properties-file "conf/spark/$env.conf" --packages "$delta" --py-files "$wheel" --archives "$archive#environment")
    ;;
esac
if [ -n "$gpu" ]; then
  while read -r key property; do
    case $key in '' | '#'*) ;; *) submit+=(--conf "$key=$property") ;; esac
  done <"conf/spark/gpu/$env.conf"
  [ "$env" = databricks ] || submit+=(--files conf/spark/gpu/gpu_addresses.sh)
fi
line=("${settings[@]}" "${submit[@]}" "$script" "${arguments[@]}")

if [ -n "$dry_run" ]; then
  shown "${line[@]}"
  exit 0
fi

case $env in
  local)
    make --silent wheel
    . tools/env.sh
    JAVA_HOME=$(java_home)
    export JAVA_HOME
    mkdir -p logs
    # The job's own output comes through Java's standard output; its standard error holds only what Ivy and the Java runtime say.
    code=0
    env "${line[@]}" 2>logs/spark-submit.log || code=$?
    # 2 to 5 are the job's own, told by it in one line.
    case $code in 0 | [2-5]) exit $code ;; esac
    echo "spark-submit.sh: $job ended with exit code $code; what Java said is in logs/spark.log and logs/spark-submit.log" >&2
    exit $code
    ;;
  databricks) wrong "a line for databricks is not run from here: print it with --dry-run and give its words to the job's spark_submit_task" ;;
  *)
    command -v spark-submit >/dev/null || wrong "no spark-submit on PATH: the cluster's own Spark 4.0 is needed, with its configuration"
    make --silent wheel archive
    exec "${line[@]}"
    ;;
esac
