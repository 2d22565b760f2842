using System.Buffers;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace PdEngine.Host;

/// <summary>
/// A line for each request that was answered, where asked for, and for each that failed of a bug. Neither
/// headers nor query strings are in it, and bodies only on request.
/// </summary>
internal sealed class RequestLog(ServeOptions options, TimeProvider clock)
{
    private const int MostBodyLetters = 4096;
    private static readonly object BodyKey = new();
    private static readonly object SamplesKey = new();

    /// <summary>Of values that stand in a text line as they are.</summary>
    private static readonly SearchValues<char> Plain = SearchValues.Create(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:+@,[]");

    private readonly Lock _gate = new();

    private bool IsWritten => options.LogsRequests || options.LogsPrompts;

    /// <summary>Keeps a body for its line, where bodies are logged.</summary>
    public void Heard(HttpContext context, JsonElement body)
    {
        if (!options.LogsPrompts || context.Request.Path.StartsWithSegments("/login"))
            return;
        string text = body.GetRawText();
        context.Items[BodyKey] = text.Length <= MostBodyLetters ? text : text[..MostBodyLetters];
    }

    /// <summary>Keeps what a call was answered with for its line.</summary>
    public void Made(HttpContext context, IReadOnlyList<Sample> samples)
    {
        if (IsWritten)
            context.Items[SamplesKey] = samples;
    }

    public void Answered(HttpContext context, long startedTicks)
    {
        if (!IsWritten)
            return;
        Write(json =>
        {
            WriteRequest(json, context, "request");
            json.WriteNumber("status", context.Response.StatusCode);
            json.WriteNumber("ms", Math.Round(Stopwatch.GetElapsedTime(startedTicks).TotalMilliseconds, 1));
            if (context.RequestAborted.IsCancellationRequested)
                json.WriteBoolean("client_gone", true);
            IReadOnlyList<Sample>? samples = null;
            if (context.Items.TryGetValue(SamplesKey, out object? made))
                samples = (IReadOnlyList<Sample>)made!;
            WriteTrace(json, context, samples);
            if (samples is { Count: > 0 })
                SampleFacts.Write(json, samples);
            if (context.Items.TryGetValue(BodyKey, out object? body))
                json.WriteString("body", (string?)body);
        });
    }

    /// <summary>
    /// A fault of the server's own. Its message may hold what the client sent: it is a prompt as others are.
    /// </summary>
    public void Failed(HttpContext context, Exception fault) => Write(json =>
    {
        WriteRequest(json, context, "fault");
        WriteTrace(json, context, samples: null);
        json.WriteString("fault", fault.GetType().FullName);
        json.WriteString("at", fault.StackTrace);
        if (options.LogsPrompts)
            json.WriteString("message", fault.Message);
    });

    /// <summary>Exports of a signal begin to fail, or to succeed again.</summary>
    public void Exported(string signal, OtlpTarget target, bool works) => Write(json =>
    {
        json.WriteString("event", works ? "export_works" : "export_failed");
        json.WriteString("time", clock.GetUtcNow());
        json.WriteString("signal", signal);
        json.WriteString("endpoint", target.ToString());
    });

    private void WriteRequest(Utf8JsonWriter json, HttpContext context, string kind)
    {
        json.WriteString("event", kind);
        json.WriteString("time", clock.GetUtcNow());
        json.WriteString("method", Fields.Short(context.Request.Method));
        json.WriteString("path", Fields.Short(context.Request.Path.Value ?? ""));
        json.WriteString("client", context.Connection.RemoteIpAddress?.ToString());
    }

    /// <summary>The trace that its spans are in, else the one that the caller named.</summary>
    private static void WriteTrace(Utf8JsonWriter json, HttpContext context, IReadOnlyList<Sample>? samples)
    {
        ActivityContext? own = samples is { Count: > 0 } ? samples[0].Stream.Trace : null;
        if ((own ?? TraceParent.Of(context.Request)) is { } trace)
            json.WriteString("trace_id", trace.TraceId.ToHexString());
    }

    private void Write(Action<Utf8JsonWriter> fields)
    {
        ArrayBufferWriter<byte> bytes = new(256);
        using (Utf8JsonWriter json = new(bytes, AnswerWriter.Style))
        {
            json.WriteStartObject();
            fields(json);
            json.WriteEndObject();
        }
        string line = options.LogFormat == LogFormat.Json
            ? Encoding.UTF8.GetString(bytes.WrittenSpan)
            : TextOf(bytes.WrittenMemory);
        lock (_gate)
            options.Log.WriteLine(line);
    }

    private static string TextOf(ReadOnlyMemory<byte> json)
    {
        using JsonDocument fields = JsonDocument.Parse(json);
        StringBuilder line = new();
        foreach (JsonProperty field in fields.RootElement.EnumerateObject())
        {
            if (field.Value.ValueKind == JsonValueKind.Null)
                continue;
            if (line.Length > 0)
                line.Append(' ');
            line.Append(field.Name).Append('=');
            string raw = field.Value.GetRawText();
            bool isPlain = field.Value.ValueKind == JsonValueKind.String && raw.Length > 2
                && !raw.AsSpan(1, raw.Length - 2).ContainsAnyExcept(Plain);
            line.Append(isPlain ? raw.AsSpan(1, raw.Length - 2) : raw);
        }
        return line.ToString();
    }
}
