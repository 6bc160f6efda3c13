# The build runs on the builder's platform and compiles for the target's: Go
# needs no emulation for that.
FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
ARG TARGETOS=linux TARGETARCH
# What the program says of itself. The build sees no repository to read it from.
ARG VERSION=unknown
WORKDIR /src

# The modules change more rarely than the code, so they are a layer of their own.
COPY go.mod go.sum ./
RUN go mod download

COPY . .
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -tags=nomsgpack -ldflags="-s -w -X gatehouse/idp.release=$VERSION" -o /out/gatehouse ./cmd/gatehouse
RUN mkdir /out/data

# Nothing but the program, and the authorities by which it trusts upstream
# providers and mail servers.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/gatehouse /gatehouse
# A user without a name or a shell. A new volume takes the owner of the folder.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
# The numbers are read by another container: on all addresses, and on no public port.
ENV GATEHOUSE_DATA=/data GATEHOUSE_METRICS_LISTEN=:9464
VOLUME /data
EXPOSE 8080 9464
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["/gatehouse", "healthcheck"]
ENTRYPOINT ["/gatehouse"]
CMD ["serve"]
