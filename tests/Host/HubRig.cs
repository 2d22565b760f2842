using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>
/// A hub on a loopback port, in Hugging Face's shape: files in git come from it, large ones from another
/// server that it points to. What it does wrong is told by hand.
/// </summary>
internal sealed class HubRig : IAsyncDisposable
{
    public const string Repo = "owner/model";

    private readonly WebApplication _hub;
    private readonly WebApplication _store;

    private HubRig()
    {
        _hub = Build(AnswerAsync);
        _store = Build(SendLargeAsync);
    }

    public static string Commit { get; } = new('c', 40);

    /// <summary>What main stands for.</summary>
    public string Head { get; set; } = Commit;

    public Dictionary<string, byte[]> Small { get; } = [];

    public Dictionary<string, byte[]> Large { get; } = [];

    /// <summary>What the listing says of its files instead of the truth, by name.</summary>
    public Dictionary<string, byte[]> Listed { get; } = [];

    /// <summary>Comes before every answer; true where it has answered.</summary>
    public Func<HttpContext, bool, Task<bool>> Before { get; set; } = (_, _) => Task.FromResult(false);

    /// <summary>Whether files in git are listed with their checksum.</summary>
    public bool ListsBlobs { get; set; } = true;

    public bool ReadsRanges { get; set; } = true;

    /// <summary>Of the store: whether it is, path, Authorization, Range.</summary>
    public List<(bool IsStore, string Path, string Authorization, string Range)> Seen { get; } = [];

    public string Endpoint => AddressOf(_hub);

    public static async Task<HubRig> StartAsync()
    {
        HubRig rig = new();
        await rig._hub.StartAsync();
        await rig._store.StartAsync();
        return rig;
    }

    /// <summary>Runs <c>pdengine model pull</c> against it.</summary>
    public Task<PdEngineRun> PullAsync(string folder, params string[] more) => PdEngineRun.HereAsync(
        ["model", "pull", Repo, "--endpoint", Endpoint, "--to", folder, .. more]);

    public async ValueTask DisposeAsync()
    {
        await _hub.DisposeAsync();
        await _store.DisposeAsync();
    }

    public static byte[] Bytes(int count, int seed)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static string AddressOf(WebApplication app) =>
        app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    private static WebApplication Build(RequestDelegate answer)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(
            options => options.Listen(IPAddress.Loopback, 0));
        WebApplication app = builder.Build();
        app.Run(answer);
        return app;
    }

    private void See(HttpContext context, bool isStore)
    {
        lock (Seen)
        {
            Seen.Add((isStore, context.Request.Path, $"{context.Request.Headers.Authorization}",
                $"{context.Request.Headers.Range}"));
        }
    }

    private async Task AnswerAsync(HttpContext context)
    {
        See(context, isStore: false);
        string path = context.Request.Path;
        if (await Before(context, false))
            return;
        if (path == $"/api/models/{Repo}/revision/main")
        {
            await context.Response.WriteAsync(Listing());
            return;
        }
        string start = $"/{Repo}/resolve/{Head}/";
        string name = path.StartsWith(start, StringComparison.Ordinal) ? path[start.Length..] : "";
        if (Large.ContainsKey(name))
            context.Response.Redirect($"{AddressOf(_store)}/{name}?signed=1");
        else if (Small.TryGetValue(name, out byte[]? content))
            await SendAsync(context, content);
        else
            context.Response.StatusCode = 404;
    }

    private async Task SendLargeAsync(HttpContext context)
    {
        See(context, isStore: true);
        if (!await Before(context, true))
            await SendAsync(context, Large[context.Request.Path.Value![1..]]);
    }

    /// <summary>Sends a content, or its rest where that is asked for and still the same.</summary>
    public async Task SendAsync(HttpContext context, byte[] content)
    {
        string etag = $"\"{Convert.ToHexStringLower(SHA256.HashData(content))[..16]}\"";
        context.Response.Headers.ETag = etag;
        string range = $"{context.Request.Headers.Range}", wanted = $"{context.Request.Headers.IfRange}";
        int from = 0;
        if (ReadsRanges && range.Length > 0 && (wanted.Length == 0 || wanted == etag))
        {
            from = int.Parse(range["bytes=".Length..^1]);
            context.Response.StatusCode = 206;
            context.Response.Headers.ContentRange = $"bytes {from}-{content.Length - 1}/{content.Length}";
        }
        context.Response.ContentLength = content.Length - from;
        await context.Response.Body.WriteAsync(content.AsMemory(from));
    }

    /// <summary>Sends so much of a content and drops the connection once that has arrived.</summary>
    public static async Task CutAsync(HttpContext context, byte[] content, int count, string folder)
    {
        context.Response.Headers.ETag = $"\"{Convert.ToHexStringLower(SHA256.HashData(content))[..16]}\"";
        context.Response.ContentLength = content.Length;
        await context.Response.Body.WriteAsync(content.AsMemory(0, count));
        await context.Response.Body.FlushAsync();
        await ArriveAsync(folder, count);
        context.Abort();
    }

    /// <summary>Waits until a file that is being pulled into a folder has so many bytes.</summary>
    public static async Task ArriveAsync(string folder, int count)
    {
        using CancellationTokenSource late = new(TimeSpan.FromMinutes(1));
        string partials = Path.Combine(folder, PullFolder.PartialsName);
        while (!Directory.EnumerateFiles(partials).Any(file => new FileInfo(file).Length == count))
            await Task.Delay(5, late.Token);
    }

    private string Listing()
    {
        using MemoryStream text = new();
        using (Utf8JsonWriter json = new(text))
        {
            json.WriteStartObject();
            json.WriteString("sha", Head);
            json.WriteStartArray("siblings");
            foreach ((string name, byte[] held) in Small.Concat(Large))
            {
                byte[] content = Listed.GetValueOrDefault(name, held);
                json.WriteStartObject();
                json.WriteString("rfilename", name);
                json.WriteNumber("size", content.Length);
                byte[] blob = [.. Encoding.ASCII.GetBytes($"blob {content.Length}\0"), .. content];
#pragma warning disable CA5350 // git's own
                if (ListsBlobs)
                    json.WriteString("blobId", Convert.ToHexStringLower(SHA1.HashData(blob)));
#pragma warning restore CA5350
                if (Large.ContainsKey(name))
                {
                    json.WriteStartObject("lfs");
                    json.WriteString("sha256", Convert.ToHexStringLower(SHA256.HashData(content)));
                    json.WriteNumber("size", content.Length);
                    json.WriteEndObject();
                }
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(text.ToArray());
    }
}
