using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>A server on a free loopback port, on the tiny checkpoint of random weights.</summary>
internal sealed class HttpRig : IAsyncDisposable
{
    private readonly Engine _engine;

    private HttpRig(Engine engine, HttpServer server, StringWriter log)
    {
        _engine = engine;
        (Server, Log) = (server, log);
        // Cookies are sent by hand.
        HttpClientHandler handler = new() { UseCookies = false };
        Client = new HttpClient(handler) { BaseAddress = server.Address, Timeout = TimeSpan.FromMinutes(5) };
    }

    public HttpServer Server { get; }

    public HttpClient Client { get; }

    public StringWriter Log { get; }

    public EngineModel Model => _engine.Models[0];

    public static async Task<HttpRig> StartAsync(
        Func<ServeOptions, ServeOptions>? serve = null, Func<EngineOptions, EngineOptions>? run = null,
        string? folder = null)
    {
        folder ??= EngineRig.Folder(template: Template);
        EngineOptions options = EngineRig.Options(folder);
        options = run?.Invoke(options) ?? options;
        Engine engine = await Engine.StartAsync(options);
        StringWriter log = new();
        ServeOptions served = new() { Port = 0, ModelPath = folder, Log = TextWriter.Synchronized(log) };
        try
        {
            HttpServer server = await HttpServer.StartAsync(
                engine, options.Topology, serve?.Invoke(served) ?? served);
            return new HttpRig(engine, server, log);
        }
        catch
        {
            await engine.DisposeAsync();
            throw;
        }
    }

    /// <summary>Plain, with a place for tools.</summary>
    public const string Template =
        "{% if tools %}T{{ tools | length }} {% endif %}{% for m in messages %}{{ m.role[0] }}:"
        + "{{ m.content }};{% endfor %}a:";

    public static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    /// <summary>Posts; asserts success.</summary>
    public async Task<JsonElement> PostAsync(string path, string body)
    {
        using HttpResponseMessage answer = await Client.PostAsync(path, Json(body));
        string text = await answer.Content.ReadAsStringAsync();
        Assert.That(answer.IsSuccessStatusCode, Is.True, $"{path}: {(int)answer.StatusCode} {text}");
        return PdEngineRun.Json(text);
    }

    public async Task<JsonElement> GetAsync(string path)
    {
        using HttpResponseMessage answer = await Client.GetAsync(path);
        string text = await answer.Content.ReadAsStringAsync();
        Assert.That(answer.IsSuccessStatusCode, Is.True, $"{path}: {(int)answer.StatusCode} {text}");
        return PdEngineRun.Json(text);
    }

    /// <summary>Posts what must be refused; the error.</summary>
    public async Task<JsonElement> RefusedAsync(string path, string body, int status = 400)
    {
        using HttpResponseMessage answer = await Client.PostAsync(path, Json(body));
        string text = await answer.Content.ReadAsStringAsync();
        Assert.That((int)answer.StatusCode, Is.EqualTo(status), $"{path} {body}: {text}");
        return PdEngineRun.Json(text).GetProperty("error");
    }

    /// <summary>The events of a stream, up to its end.</summary>
    public async Task<List<JsonElement>> StreamAsync(string path, string body)
    {
        using HttpResponseMessage answer = await Client.PostAsync(path, Json(body));
        string text = await answer.Content.ReadAsStringAsync();
        Assert.That(answer.IsSuccessStatusCode, Is.True, text);
        Assert.That(answer.Content.Headers.ContentType!.MediaType, Is.EqualTo("text/event-stream"));
        Assert.That(text, Does.EndWith("data: [DONE]\n\n"));
        string[] events = text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.That(events, Has.All.StartsWith("data: "));
        return [.. events[..^1].Select(one => PdEngineRun.Json(one["data: ".Length..]))];
    }

    /// <summary>Sends a request made by hand.</summary>
    public async Task<(int Status, string Text, HttpResponseHeaders Headers)> SendAsync(
        HttpRequestMessage request)
    {
        using HttpResponseMessage answer = await Client.SendAsync(request);
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(), answer.Headers);
    }

    public async Task IsIdleAsync() =>
        await Assert.ThatAsync(async () => (await GetAsync("/v1/loads")).GetProperty("loads")[0]
            .GetProperty("num_total_reqs").GetInt32(), Is.Zero.After(60_000, 10));

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Server.DisposeAsync();
        await _engine.DisposeAsync();
    }
}
