using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace PdEngine.Host;

/// <summary>
/// Server-sent events, each sent before the next is made: what happens while a client reads slowly is in the
/// next event, which is made of the request's state by then.
/// </summary>
internal sealed class EventStream : IDisposable
{
    private readonly HttpContext _context;
    private readonly SlowReader _reader;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly ArrayBufferWriter<byte> _event = new(1024);
    private readonly Utf8JsonWriter _json;

    public EventStream(HttpCall call)
    {
        _context = call.Context;
        _reader = new(_context, call.Server.Options.WriteTimeout);
        _json = new(_event, AnswerWriter.Style);
        HttpResponse response = _context.Response;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        response.Headers["X-Accel-Buffering"] = "no";
    }

    /// <summary>Sends one event; several callers take turns.</summary>
    /// <exception cref="OperationCanceledException">The client has gone, or was given up.</exception>
    public async ValueTask SendAsync(Action<Utf8JsonWriter> write)
    {
        await _turn.WaitAsync(_context.RequestAborted).ConfigureAwait(false);
        try
        {
            _event.ResetWrittenCount();
            _json.Reset(_event);
            write(_json);
            _json.Flush();
            IBufferWriter<byte> body = _context.Response.BodyWriter;
            body.Write("data: "u8);
            body.Write(_event.WrittenSpan);
            body.Write("\n\n"u8);
            await _reader.FlushAsync().ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    public ValueTask EndAsync()
    {
        _context.Response.BodyWriter.Write("data: [DONE]\n\n"u8);
        return _reader.FlushAsync();
    }

    public void Dispose()
    {
        _json.Dispose();
        _turn.Dispose();
    }
}
