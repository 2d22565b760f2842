using System.Buffers;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace PdEngine.Host;

/// <summary>One request on its way through a route.</summary>
/// <param name="context">The connection's.</param>
/// <param name="server">Whose.</param>
/// <param name="access">What the caller may do.</param>
/// <param name="route">What it runs.</param>
internal sealed class HttpCall(HttpContext context, HttpServer server, Access access, Route route)
    : IDisposable
{
    private const int SliceBytes = 32 << 10;
    private JsonDocument? _body;
    private EngineModel? _model;

    public HttpContext Context => context;

    public HttpServer Server => server;

    /// <summary>What the caller may do.</summary>
    public Access Access => access;

    /// <summary>The caller's span, where it names one.</summary>
    public ActivityContext? TraceParent { get; } = Host.TraceParent.Of(context.Request);

    /// <summary>The client has gone.</summary>
    public CancellationToken Gone => context.RequestAborted;

    /// <summary>Who is asked: named by the prefix, else by the body, else the default.</summary>
    public EngineModel Model => _model ?? server.DefaultModel;

    /// <summary>Named by the path's prefix.</summary>
    public EngineModel? Prefixed
    {
        init => _model = value;
    }

    /// <exception cref="HttpRefusal">It needs the admin key.</exception>
    public void RequireAdmin(string what)
    {
        if (access < Access.Admin)
            throw AccessRules.NeedsAdmin(what);
    }

    /// <summary>The body, an object; one of no bytes is an empty object.</summary>
    public async Task<JsonElement> ReadObjectAsync()
    {
        long most = route.TakesWeights
            ? server.Options.MaxWeightsBodyBytes
            : server.Options.MaxBodyBytes;
        _body = await RequestBody.ReadAsync(context, most, Gone).ConfigureAwait(false);
        JsonElement body = _body?.RootElement ?? server.EmptyObject;
        if (body.ValueKind != JsonValueKind.Object)
            throw HttpRefusal.Bad("body", $"a JSON object is needed, not {Fields.KindName(body)}");
        _model ??= server.ModelNamed(body);
        if (!route.TakesWeights)
            server.Log.Heard(context, body);
        return body;
    }

    /// <summary>Answers with JSON.</summary>
    public Task WriteAsync(Action<Utf8JsonWriter> write, int status = 200)
    {
        ArrayBufferWriter<byte> bytes = new(1024);
        using (Utf8JsonWriter json = new(bytes, AnswerWriter.Style))
            write(json);
        return WriteBytesAsync(bytes.WrittenMemory, "application/json", status);
    }

    /// <summary>Answers with a few words.</summary>
    public Task WriteTextAsync(string text, int status = 200, string type = "text/plain; charset=utf-8") =>
        WriteBytesAsync(System.Text.Encoding.UTF8.GetBytes(text), type, status);

    /// <summary><c>success</c> and a sentence, as SGLang answers what changes it.</summary>
    public Task WriteOutcomeAsync(string message, bool success = true) => WriteAsync(
        json =>
        {
            json.WriteStartObject();
            json.WriteBoolean("success", success);
            json.WriteString("message", message);
            json.WriteEndObject();
        },
        success ? 200 : 400);

    /// <summary>Answers with bytes, which stay as they are.</summary>
    public async Task WriteBytesAsync(ReadOnlyMemory<byte> bytes, string type, int status)
    {
        HttpResponse response = context.Response;
        response.StatusCode = status;
        response.ContentType = type;
        response.ContentLength = bytes.Length;
        if (HttpMethods.IsHead(context.Request.Method))
            return;
        SlowReader reader = new(context, server.Options.WriteTimeout);
        for (int at = 0; at < bytes.Length; at += SliceBytes)
        {
            response.BodyWriter.Write(bytes.Span.Slice(at, Math.Min(SliceBytes, bytes.Length - at)));
            await reader.FlushAsync().ConfigureAwait(false);
        }
    }

    public void Dispose() => _body?.Dispose();
}
