# What to run, by name. .ci/run runs them all, in its own way.

# Packages in which goroutines share memory. The race detector makes SQLite,
# which is translated C, about eighty times slower: tests that are heavy on it
# are left out with -short.
RACE = ./admin/... ./bench/... ./internal/config/... ./internal/vfs/... ./node/... ./pgwire/... ./raft/... ./transport/...
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: help test race lint bench build

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the binary, ./quorate
	go build ./cmd/quorate

test: ## all tests
	go test ./...

race: ## tests of what shares memory, under the race detector
	go test -race -short $(RACE)

lint: ## gofmt, vet, staticcheck and the house rules
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w on these"; exit 1; }
	go vet -unsafeptr=false ./internal/sqlite/...
	go vet $$(go list ./... | grep -v /internal/sqlite)
	go run $(STATICCHECK) ./...
	go test ./internal/lint

bench: build ## three nodes and the load generator on this machine
	.ci/bench ./quorate
