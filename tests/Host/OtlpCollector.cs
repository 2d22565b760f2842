using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace PdEngine.Tests;

/// <summary>Takes what OpenTelemetry's exporters send, by HTTP or gRPC.</summary>
internal sealed class OtlpCollector : IAsyncDisposable
{
    private const int GrpcHeadBytes = 5;
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<OtlpSpan> _spans = new();
    private readonly ConcurrentQueue<OtlpMetric> _metrics = new();
    private readonly ConcurrentQueue<string> _resources = new();

    private OtlpCollector(WebApplication app) => _app = app;

    public Uri Address { get; private set; } = null!;

    public IReadOnlyList<OtlpSpan> Spans => [.. _spans];

    public IReadOnlyList<OtlpMetric> Metrics => [.. _metrics];

    /// <summary>Names that senders gave themselves.</summary>
    public IReadOnlyList<string> Resources => [.. _resources.Distinct()];

    /// <summary>Every header <c>x-test</c> that came.</summary>
    public ConcurrentBag<string> TestHeaders { get; } = [];

    public static async Task<OtlpCollector> StartAsync(bool speaksGrpc)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(
            IPAddress.Loopback, 0,
            listen => listen.Protocols = speaksGrpc ? HttpProtocols.Http2 : HttpProtocols.Http1));
        WebApplication app = builder.Build();
        OtlpCollector collector = new(app);
        app.Run(context => collector.TakeAsync(context, speaksGrpc));
        await app.StartAsync();
        collector.Address = new(app.Services.GetRequiredService<IServer>().Features
            .Get<IServerAddressesFeature>()!.Addresses.First());
        return collector;
    }

    public OtlpSpan[] ChildrenOf(OtlpSpan parent) =>
        [.. _spans.Where(span => span.ParentId == parent.Id).OrderBy(span => span.StartNs)];

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task TakeAsync(HttpContext context, bool speaksGrpc)
    {
        using MemoryStream body = new();
        await context.Request.Body.CopyToAsync(body);
        byte[] message = body.ToArray();
        string path = context.Request.Path.Value!;
        if (context.Request.Headers["x-test"] is [{ } header])
            TestHeaders.Add(header);
        if (speaksGrpc)
            message = message[GrpcHeadBytes..];
        if (path is "/v1/traces" or "/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            OtlpMessage.ReadSpans(message, _spans.Enqueue, _resources.Enqueue);
        else if (path is "/v1/metrics" or "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")
            OtlpMessage.ReadMetrics(message, _metrics.Enqueue, _resources.Enqueue);
        else
            context.Response.StatusCode = 404;
        if (!speaksGrpc)
        {
            context.Response.ContentType = "application/x-protobuf";
            return;
        }
        context.Response.ContentType = "application/grpc";
        await context.Response.Body.WriteAsync(new byte[GrpcHeadBytes]);
        context.Response.AppendTrailer("grpc-status", "0");
    }
}
