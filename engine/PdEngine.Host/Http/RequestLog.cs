using System.Buffers;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace PdEngine.Host;

/// <summary>
/// A line of JSON for each request that was answered, where asked for, and for each that failed of a bug.
/// Neither headers nor query strings are in it, and bodies only on request.
/// </summary>
internal sealed class RequestLog(ServeOptions options, TimeProvider clock)
{
    private const int MostBodyLetters = 4096;
    private static readonly object BodyKey = new();
    private readonly Lock _gate = new();

    /// <summary>Keeps a body for its line, where bodies are logged.</summary>
    public void Heard(HttpContext context, JsonElement body)
    {
        if (!options.LogsPrompts || context.Request.Path.StartsWithSegments("/login"))
            return;
        string text = body.GetRawText();
        context.Items[BodyKey] = text.Length <= MostBodyLetters ? text : text[..MostBodyLetters];
    }

    public void Answered(HttpContext context, long startedTicks)
    {
        if (!options.LogsRequests && !options.LogsPrompts)
            return;
        Write(json =>
        {
            WriteRequest(json, context, "request");
            json.WriteNumber("status", context.Response.StatusCode);
            json.WriteNumber("ms", Math.Round(Stopwatch.GetElapsedTime(startedTicks).TotalMilliseconds, 1));
            if (context.RequestAborted.IsCancellationRequested)
                json.WriteBoolean("client_gone", true);
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
        json.WriteString("fault", fault.GetType().FullName);
        json.WriteString("at", fault.StackTrace);
        if (options.LogsPrompts)
            json.WriteString("message", fault.Message);
    });

    private void WriteRequest(Utf8JsonWriter json, HttpContext context, string kind)
    {
        json.WriteString("event", kind);
        json.WriteString("time", clock.GetUtcNow());
        json.WriteString("method", context.Request.Method);
        json.WriteString("path", Fields.Short(context.Request.Path.Value ?? ""));
        json.WriteString("client", context.Connection.RemoteIpAddress?.ToString());
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
        string line = Encoding.UTF8.GetString(bytes.WrittenSpan);
        lock (_gate)
            options.Log.WriteLine(line);
    }
}
