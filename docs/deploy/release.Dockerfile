# The image of a release, from the binaries that goreleaser has built. To build an image
# from source, use the Dockerfile at the top.
FROM debian:bookworm-slim AS files
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && mkdir /empty

FROM scratch
ARG TARGETPLATFORM
COPY --from=files /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY $TARGETPLATFORM/gatehouse /gatehouse
COPY --from=files --chown=65532:65532 /empty /data
USER 65532:65532
WORKDIR /data
# The numbers are read by another container: on all addresses, and on no public port.
ENV GATEHOUSE_DATA=/data GATEHOUSE_METRICS_LISTEN=:9464
VOLUME /data
EXPOSE 8080 9464
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["/gatehouse", "healthcheck"]
ENTRYPOINT ["/gatehouse"]
CMD ["serve"]
