#!/bin/sh
#SBATCH --job-name=cci-Echo_v1-0123
#SBATCH --chdir=/
#SBATCH --output=/dev/null
#SBATCH --no-requeue
#SBATCH --time=27:48:40
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --mem=16000M
#SBATCH --cpus-per-task=4
#SBATCH --gres=gpu:1
#SBATCH --exclude=node7,node8
#SBATCH --partition=long
#SBATCH --account=lab
#SBATCH --mail-type=FAIL
#SBATCH --mail-user=ops@example.org
#SBATCH --nice=10
#SBATCH "--constraint=a100&nvlink"
#SBATCH "--comment=the lab's \"best\""
#SBATCH --qos=high
cd '/data/it'"'"'s; $(touch hit) `x` %j #$ -N other #SBATCH -J other' || exit
exec >>'/data/it'"'"'s; $(touch hit) `x` %j #$ -N other #SBATCH -J other/batch.log' 2>&1
export GREETING='it'"'"'s $HOME'
export LANG=C.UTF-8
exec /usr/bin/python3 -I runner.py
