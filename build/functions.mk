# Compiles the functions, as `sam build` asks for them: docs/decisions/0024-functions-are-static.md.
#
# The first call compiles all of them, side by side. For each further function, only its file is copied.
# `BINARIES="--bin token"` in the environment compiles one function alone.

build-%Function:
	cargo lambda build --release --target $(TARGET) --lambda-dir target/lambda $(BINARIES)
	cp target/lambda/$(shell echo $* | tr '[:upper:]' '[:lower:]')/bootstrap "$(ARTIFACTS_DIR)"
