# git: init, add, commit, log, branches, merge, clone, gc, worktree.
command -v git >/dev/null || { echo "no git" >&2; exit 77; }
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@b GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'
git config --global init.defaultBranch main
git config --global advice.detachedHead false
git init -q repo && cd repo
for i in $(seq 30); do mkdir -p d$((i % 5)); seq $i $((i * 20)) > d$((i % 5))/f$i; done
git add . && git commit -qm first && git log --oneline
git rev-parse HEAD; git ls-files | wc -l
echo change >> d1/f1; git rm -q d2/f2; git mv d3/f3 moved; echo new > new; git add new
git status --short; git diff --stat | tail -n 1; git commit -qam second; git log --stat -1 | tail -n 3
git checkout -qb topic HEAD~1; echo topic > topic; git add topic; git commit -qm topic
git checkout -q main; git merge -q --no-edit topic; git log --graph --format='%s %h'
git checkout -q -b conflict HEAD~1; echo other >> d1/f1; git commit -qam other
git checkout -q main; echo main >> d1/f1; git commit -qam main; git merge conflict 2>&1 | tail -n 1; git status --short | head -n 3
git checkout --ours d1/f1 2>/dev/null; git add d1/f1; git commit -qm resolved; git tag -a v1 -m v1; git describe
git stash -q 2>&1; echo dirty >> new; git stash -q; git stash list | wc -l; git stash pop -q; git diff --name-only; git checkout -q new
git blame -s d1/f1 | tail -n 2; git grep -c 15 | head -n 3; git show HEAD:topic; git cat-file -p HEAD^{tree} | head -n 3
cd ..; git clone -q repo clone; git -C clone log --oneline | wc -l; git clone -q --bare repo bare.git
git clone -q --depth 1 "file://$PWD/repo" shallow; git -C shallow log --oneline | wc -l
git -C clone checkout -qb push; echo x > clone/x; git -C clone add x; git -C clone commit -qm push; git -C clone push -q origin push 2>&1; git -C repo branch --list | wc -l
cd repo; git gc -q; git count-objects -v | grep -c 'packs: 1'; git fsck 2>&1 | wc -l
git rebase -q v1~1 2>&1 | tail -n 1; git rebase --abort; git worktree add -q ../wt v1 && ls ../wt | wc -l
git archive HEAD | tar t | wc -l; git bundle create -q ../b HEAD 2>/dev/null; git bundle verify -q ../b 2>/dev/null; echo $?
git bisect start -q HEAD v1~2 >/dev/null 2>&1; git bisect run true 2>/dev/null | grep -c 'is the first bad'; git bisect reset -q 2>/dev/null
printf '#!/bin/sh\necho hook ran\n' > .git/hooks/post-commit; chmod +x .git/hooks/post-commit; git checkout -q main; echo h > h; git add h; git commit -qm hook 2>&1
git rev-parse HEAD^{tree}
