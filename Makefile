# Thin on purpose: what a target does is in the script that it names.
.PHONY: help up down test build bench format console

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: build ## install what is missing, build, start everything; Ctrl-C stops it
	@exec .build/release/daybook up --allow-private-webhooks

down: ## stop what `daybook up --detach` started
	@exec .build/release/daybook down

build: ## install what is missing and build the release
	@tools/setup
	@console/build
	swift build -c release --product daybook --static-swift-stdlib

console: ## build the web console alone
	@console/build

test: ## install what is missing and run every test
	@tools/test

bench: build ## run every benchmark
	@exec .build/release/daybook bench all

format: ## lay the Swift files out as .swift-format says
	swift format -i -r Package.swift Sources eventlog projections tools Tests
