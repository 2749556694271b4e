# What to run, by name. .ci/run runs more, and installs what it needs.

# Packages in which goroutines share memory. SQLite is translated C, which the
# race detector makes about eighty times slower: of the state machine, only the
# tests in which goroutines meet are run under it.
RACE = ./admin/... ./bench/... ./chaos/... ./internal/config/... ./internal/vfs/... ./node/... ./pgwire/... ./raft/... ./sim/... ./snapshot/... ./transport/...
RACE_SQLFSM = Readers|Snapshot|Cancel|Checkpoint|InstallWhile|ImageWhile|MakeDurable

.PHONY: help build test race lint bench sim sql chaos

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the binary, ./quorate
	go build ./cmd/quorate

test: ## all tests
	go test ./...

race: ## tests of what shares memory, under the race detector
	go test -race -short $(RACE)
	go test -race -run '$(RACE_SQLFSM)' ./sqlfsm

lint: ## gofmt, vet, staticcheck and the house rules
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these"; exit 1; }
	go vet -unsafeptr=false ./internal/sqlite/...
	go vet $$(go list ./... | grep -v /internal/sqlite)
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	go test ./internal/lint

sim: ## fresh seeds of the simulated cluster for four minutes, then the planted bugs
	go run ./cmd/quorate-sim --seeds 0 --minutes 4 --from $$(date +%s)000
	go run ./cmd/quorate-sim --planted all

sql: ## random SQL on three state machines for four minutes, then the planted bugs
	go run ./cmd/quorate-sqlgen --statements 0 --minutes 4 --from $$(date +%s)000
	go run ./cmd/quorate-sqlgen --planted all

chaos: build ## real processes under faults for three minutes
	go run ./cmd/quorate-chaos --binary ./quorate --minutes 3

bench: build ## three nodes, and PostgreSQL when it is installed, side by side
	bench/compare.sh ./quorate
