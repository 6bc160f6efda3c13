# `make` lists the targets. Each is a command that can be run by hand as well.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Gin without MessagePack, which nothing here speaks: its codec takes longer to compile
# than all packages of ours together.
ifeq (,$(findstring nomsgpack,$(GOFLAGS)))
export GOFLAGS := $(GOFLAGS) -tags=nomsgpack
endif

# Built from the versions pinned in .ci/tools/go.mod. Once those are in the module
# cache, linting needs no network.
TOOLS := bin/tools

# The accessibility rules of ui/axe_test.go, of the version and with the hash that
# .ci/axe/package-lock.json pins.
AXE := bin/axe

.PHONY: help clients interop interop-short demo build axe test test-all check check-changed release-check mends lint check-format check-code check-sums check-static format bench fuzz chaos chart upgrade tools verifiers vulnerabilities release

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## run the provider with two portals, an Entra tenant and a mailbox on localhost
	go run ./cmd/gatehouse demo $(ARGS)

build: ## build the static binary bin/gatehouse
	CGO_ENABLED=0 go build -trimpath -tags=nomsgpack -ldflags='-s -w' -o bin/gatehouse ./cmd/gatehouse

# The race detector watches all but SQLite's translated C: that works in memory of its
# own, which the detector does not know, and watched it takes half of all time. SQLite's
# driver is watched. checkptr looks at every pointer, which is not ours to mend either.
UNWATCHED := modernc.org/sqlite/lib modernc.org/libc/... modernc.org/memory
# Vet is a part of make lint.
RACE := -vet=off -race -gcflags=all=-d=checkptr=0 $(foreach package,$(UNWATCHED),'-gcflags=$(package)=-race=false -d=checkptr=0')

# The compiler and the tests collect garbage less often: a sixth less work for some memory.
test lint check: export GOGC ?= 400
# The race detector would wait a second at the end of each package for more to tell.
test: export GORACE ?= atexit_sleep_ms=10

# GATEHOUSE_TEST_REQUIRE makes a database or browser that is not found fail the
# tests that need it; alone, `go test ./...` skips those.
test: ## run all tests: the store's and what differs on both databases, pages and endpoints on SQLite
	@.ci/setup
	@$(MAKE) axe
	GATEHOUSE_TEST_REQUIRE=postgres,chromium .ci/postgres go test $(RACE) $(ARGS) ./...

test-all: export GATEHOUSE_TEST_ALL = 1
test-all: test ## run all tests on both databases

# BASE names what the change is compared with. What imports a changed package has to
# compile; the linters look at it in make lint.
BASE ?= main

check: tools ## lint and test the packages that were changed since main, on SQLite (a minute)
	@packages=$$(.ci/changed $(BASE)) && go build ./... && \
		$(MAKE) --keep-going check-format $(if $(ARGS),ARGS='$(ARGS)') $${packages:+check-code check-sums check-static check-changed} PACKAGES="$$(echo $$packages)"

# Without PostgreSQL and the race detector. Vet is a part of check-code.
check-changed:
	@env -u GATEHOUSE_TEST_POSTGRES_URL -u GATEHOUSE_TEST_REQUIRE go test -vet=off $(ARGS) $(PACKAGES)

release-check: ## all that a release has to pass: lint, test-all, mends, upgrade, verifiers, interop, fuzz, bench (hours)
	@for target in lint test-all mends upgrade verifiers interop fuzz bench; do $(MAKE) $$target || exit 1; done

mends: ## take each guard of docs/security.md out in turn: the test that it names must fail
	GATEHOUSE_TEST_MENDS=1 GATEHOUSE_TEST_REQUIRE=postgres,chromium .ci/postgres \
		go test -count=1 -parallel 2 -timeout 90m -run TestWithoutItsGuard $(ARGS) ./idp/server

axe: $(AXE)/node_modules/axe-core/axe.min.js

$(AXE)/node_modules/axe-core/axe.min.js: .ci/axe/package.json .ci/axe/package-lock.json
	@mkdir -p $(AXE) && cp .ci/axe/package.json .ci/axe/package-lock.json $(AXE)/
	@npm ci --prefix $(AXE) --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

VERIFIERS := bin/verifiers

verifiers: ## check keys and tokens with libraries of other languages (Python, Node), at every stage of a rotation
	@mkdir -p $(VERIFIERS) && cp .ci/verifiers/* $(VERIFIERS)/
	@test -d $(VERIFIERS)/venv || python3 -m venv $(VERIFIERS)/venv
	@$(VERIFIERS)/venv/bin/pip install -q -r $(VERIFIERS)/requirements.txt
	@npm ci --prefix $(VERIFIERS) --ignore-scripts --no-audit --no-fund --loglevel error
	@go test -count=1 -tags verifiers ./idp/keys -run TestVerifiersOfOtherLanguages

interop: ## sign in with unmodified libraries of other people (Go, Node, Python, Rust, Java, Debian, and their registries)
	@.ci/interop all $(ARGS)

interop-short: ## sign in with one library of each language that is there
	@.ci/interop short $(ARGS)

GENERATOR := bin/clients/openapi-generator-cli.jar

clients: ## compile the client that openapi-generator makes of the API's document in Java (Maven Central; Java and Maven have to be there)
	@mkdir -p bin/clients
	@test -f $(GENERATOR) || curl -fsSL -o $(GENERATOR) \
		https://repo1.maven.org/maven2/org/openapitools/openapi-generator-cli/7.14.0/openapi-generator-cli-7.14.0.jar
	@java -jar $(GENERATOR) generate -g java --library native -i admin/openapi.yaml -o bin/clients/java >bin/clients/java.log
	@mvn -q -B -DskipTests -f bin/clients/java/pom.xml compile

lint: tools ## check format and code with the pinned linters
	@$(MAKE) --keep-going check-format check-code check-sums check-static

# What the linters look at.
PACKAGES ?= ./...

# The single checks, so that one run tells the complaints of all.
check-format:
	@unformatted=$$($(TOOLS)/gofumpt -l .) && test -z "$$unformatted" || \
		{ echo "not formatted (make format):"; echo "$$unformatted"; exit 1; }
	@! git grep -nE '^(<{7}|>{7}) ' || { echo "these lines are what a merge left"; exit 1; }

check-code:
	go -C .ci/tools test ./gatecheck
	go vet $(PACKAGES)
	go vet -vettool=$(CURDIR)/$(TOOLS)/gatecheck $(PACKAGES)

# A default case does not answer for a state that is not listed.
check-sums:
	$(TOOLS)/go-check-sumtype -default-signifies-exhaustive=false $(PACKAGES)

check-static:
	$(TOOLS)/staticcheck $(PACKAGES)

FROM ?= HEAD^

upgrade: ## exchange processes of the commit FROM (HEAD^) for this one's, and back, while people sign in
	@rm -rf bin/previous && mkdir -p bin/previous && git archive $(FROM) | tar -x -C bin/previous
	go -C bin/previous build -o $(CURDIR)/bin/gatehouse-previous ./cmd/gatehouse && rm -rf bin/previous
	GATEHOUSE_TEST_REQUIRE=postgres GATEHOUSE_TEST_PREVIOUS=$(CURDIR)/bin/gatehouse-previous .ci/postgres \
		go test -count=1 ./cmd/gatehouse -run TestARollingRestart $(ARGS)

HELM := go run helm.sh/helm/v3/cmd/helm@v3.22.0
CHART := docs/deploy/helm/gatehouse

chart: ## lint the Helm chart, and keep what it renders for the tests (builds helm: minutes)
	@mkdir -p bin
	GOFLAGS= $(HELM) lint --strict --set issuer=https://id.example/sso $(CHART)
	GOFLAGS= $(HELM) template gatehouse $(CHART) --set issuer=https://id.example/sso --set podMonitor=true \
		--set 'trustedProxies={10.0.0.0/8}' --set config.smtp-server=mail.example --set config.mail-from=help@rtx.example >bin/chart.yaml
	GATEHOUSE_TEST_CHART=$(CURDIR)/bin/chart.yaml go test ./cmd/gatehouse -run TestWriteChart

vulnerabilities: ## known vulnerabilities in what we call (needs vuln.go.dev)
	go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

release: ## try a release of this commit, publishing nothing (goreleaser and syft in PATH)
	goreleaser release --snapshot --clean --skip=docker

format: tools ## format the code
	$(TOOLS)/gofumpt -w .

bench: build ## run the benchmarks and a bounded load run (docs/performance.md)
	GATEHOUSE_TEST_DURABLE=1 GATEHOUSE_TEST_REQUIRE=postgres .ci/postgres go test -run '^$$' -bench . -benchmem $(ARGS) ./...
	go build -o bin/bench ./cmd/bench
	GATEHOUSE_TEST_DURABLE=1 .ci/postgres bin/bench

# How long on each database: 30m is the long form.
CHAOS_TIME ?= 1m

chaos: ## kill, drain and stop two replicas and PostgreSQL for CHAOS_TIME: no write is lost, nothing happens twice
	GATEHOUSE_TEST_CHAOS=$(CHAOS_TIME) GATEHOUSE_TEST_REQUIRE=postgres go test -vet=off -count=1 -timeout 0 -v -run '^TestChaos$$' $(ARGS) ./cmd/gatehouse

fuzz: ## run each fuzz target for 20 seconds
	.ci/fuzz 20s

# go build finds out by itself what is up to date, in a fraction of a second.
tools:
	@mkdir -p $(TOOLS)
	@go -C .ci/tools build -o $(CURDIR)/$(TOOLS)/ ./gatecheck tool
