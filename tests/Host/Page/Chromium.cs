using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PdEngine.Tests;

/// <summary>
/// A real browser without a window, driven over its DevTools protocol; tests are skipped where there is none.
/// </summary>
internal sealed class Chromium : IAsyncDisposable
{
    private static readonly string[] Places =
        ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly string _folder;
    private readonly ClientWebSocket _socket = new();
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonElement>> _asked = new();
    private readonly ConcurrentQueue<string> _faults = new();
    private Task _listening = Task.CompletedTask;
    private string? _session;
    private int _number;

    private Chromium(Process process, string folder) => (_process, _folder) = (process, folder);

    /// <summary>What console and log held against the page: errors, refused loads, exceptions.</summary>
    public IReadOnlyCollection<string> Faults => _faults;

    public static async Task<Chromium> StartAsync()
    {
        string? place = Places.FirstOrDefault(File.Exists);
        if (place is null)
            Assert.Ignore("there is no Chromium (apt-get install chromium)");
        string folder = Directory.CreateTempSubdirectory("pdengine-browser").FullName;
        ProcessStartInfo start = new(place,
        [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--hide-scrollbars", "--no-first-run", "--disable-background-networking",
            "--disable-component-update",
            "--remote-debugging-port=0", $"--user-data-dir={folder}", "about:blank",
        ])
        {
            RedirectStandardError = true, RedirectStandardOutput = true,
        };
        Chromium browser = new(Process.Start(start)!, folder);
        try
        {
            await browser.ConnectAsync();
            return browser;
        }
        catch
        {
            await browser.DisposeAsync();
            throw;
        }
    }

    /// <summary>Shapes the window.</summary>
    public async Task ShapeAsync(int width, int height, bool isDark = false)
    {
        await SendAsync("Emulation.setDeviceMetricsOverride", new()
        {
            ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = width < 500,
        });
        JsonObject scheme = new()
        {
            ["name"] = "prefers-color-scheme", ["value"] = isDark ? "dark" : "light",
        };
        await SendAsync("Emulation.setEmulatedMedia", new() { ["features"] = new JsonArray(scheme) });
    }

    public Task GoAsync(Uri address) => SendAsync("Page.navigate", new() { ["url"] = address.ToString() });

    /// <summary>What an expression, or the promise that it is, comes to.</summary>
    public async Task<JsonElement> EvaluateAsync(string script)
    {
        JsonElement answer = await SendAsync("Runtime.evaluate", new()
        {
            ["expression"] = script, ["awaitPromise"] = true, ["returnByValue"] = true,
        });
        Assert.That(answer.TryGetProperty("exceptionDetails", out JsonElement fault), Is.False,
            () => $"{script}: {fault}");
        return answer.GetProperty("result").TryGetProperty("value", out JsonElement value) ? value : default;
    }

    public async Task<string> TextAsync(string selector) => (await EvaluateAsync(
        $"document.querySelector('{selector}')?.textContent ?? ''")).GetString()!;

    /// <summary>Waits until an expression is true.</summary>
    public async Task UntilAsync(string script)
    {
        long start = Stopwatch.GetTimestamp();
        // What is asked of may not be there yet.
        string asked = $"(() => {{ try {{ return Boolean({script}); }} catch {{ return false; }} }})()";
        while ((await EvaluateAsync(asked)).ValueKind != JsonValueKind.True)
        {
            if (Stopwatch.GetElapsedTime(start) > Patience)
            {
                string page = await TextAsync("body");
                Assert.Fail($"never: {script}; faults: {string.Join(" | ", _faults)}; page: {page}");
            }
            await Task.Delay(50);
        }
    }

    public Task TypeAsync(string text) => SendAsync("Input.insertText", new() { ["text"] = text });

    public async Task PressAsync(string key)
    {
        int code = key switch { "Enter" => 13, "Tab" => 9, "ArrowLeft" => 37, "ArrowRight" => 39, _ => 0 };
        foreach (string kind in (string[])["keyDown", "keyUp"])
        {
            JsonObject stroke = new()
            {
                ["type"] = kind, ["key"] = key, ["code"] = key, ["windowsVirtualKeyCode"] = code,
            };
            if (key == "Enter" && kind == "keyDown")
                stroke["text"] = "\r";
            await SendAsync("Input.dispatchKeyEvent", stroke);
        }
    }

    /// <summary>Points at the middle of an element, and clicks where asked.</summary>
    public async Task PointAsync(string selector, bool clicks = false)
    {
        JsonElement box = await EvaluateAsync($$"""
            (() => {
              const node = document.querySelector('{{selector}}');
              node.scrollIntoView({ block: 'center' });
              const box = node.getBoundingClientRect();
              return [box.x + box.width / 2, box.y + box.height / 2];
            })()
            """);
        foreach (string kind in clicks
            ? (string[])["mouseMoved", "mousePressed", "mouseReleased"]
            : ["mouseMoved"])
        {
            await SendAsync("Input.dispatchMouseEvent", new()
            {
                ["type"] = kind, ["x"] = box[0].GetDouble(), ["y"] = box[1].GetDouble(),
                ["button"] = kind == "mouseMoved" ? "none" : "left", ["clickCount"] = 1,
            });
        }
    }

    public async Task<JsonElement> SendAsync(string method, JsonObject? parameters = null)
    {
        int number = Interlocked.Increment(ref _number);
        TaskCompletionSource<JsonElement> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _asked[number] = answer;
        JsonObject message = new()
        {
            ["id"] = number, ["method"] = method, ["params"] = parameters ?? [],
        };
        if (_session is not null)
            message["sessionId"] = _session;
        await _sending.WaitAsync();
        try
        {
            await _socket.SendAsync(Encoding.UTF8.GetBytes(message.ToJsonString()),
                WebSocketMessageType.Text, true, CancellationToken.None);
        }
        finally
        {
            _sending.Release();
        }
        return await answer.Task.WaitAsync(Patience);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        await _listening;
        _socket.Dispose();
        _process.Dispose();
        for (int attempt = 0; Directory.Exists(_folder) && attempt < 20; attempt++)
        {
            try
            {
                Directory.Delete(_folder, recursive: true);
            }
            catch (IOException)
            {
                // Its last children still write there.
                await Task.Delay(50);
            }
        }
    }

    private async Task ConnectAsync()
    {
        const string Says = "DevTools listening on ";
        string? line;
        do
        {
            line = await _process.StandardError.ReadLineAsync().WaitAsync(Patience);
        }
        while (line is not null && !line.StartsWith(Says, StringComparison.Ordinal));
        if (line is null)
            Assert.Ignore("Chromium does not start here");
        _ = _process.StandardError.ReadToEndAsync();
        _ = _process.StandardOutput.ReadToEndAsync();
        await _socket.ConnectAsync(new(line[Says.Length..]), CancellationToken.None);
        _listening = ListenAsync();
        JsonElement targets = (await SendAsync("Target.getTargets")).GetProperty("targetInfos");
        string page = targets.EnumerateArray().First(
            target => target.GetProperty("type").GetString() == "page").GetProperty("targetId").GetString()!;
        JsonElement attached = await SendAsync(
            "Target.attachToTarget", new() { ["targetId"] = page, ["flatten"] = true });
        _session = attached.GetProperty("sessionId").GetString();
        foreach (string domain in (string[])["Page", "Runtime", "Log", "Accessibility"])
            await SendAsync($"{domain}.enable");
    }

    private async Task ListenAsync()
    {
        byte[] buffer = new byte[1 << 16];
        MemoryStream message = new();
        try
        {
            while (true)
            {
                ValueWebSocketReceiveResult part =
                    await _socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
                if (part.MessageType == WebSocketMessageType.Close)
                    return;
                message.Write(buffer, 0, part.Count);
                if (!part.EndOfMessage)
                    continue;
                Take(PdEngineRun.Json(Encoding.UTF8.GetString(message.ToArray())));
                message.SetLength(0);
            }
        }
        catch (WebSocketException)
        {
            // The browser was ended.
        }
    }

    private void Take(JsonElement message)
    {
        if (message.TryGetProperty("id", out JsonElement number))
        {
            if (!_asked.TryRemove(number.GetInt32(), out TaskCompletionSource<JsonElement>? answer))
                return;
            if (message.TryGetProperty("error", out JsonElement error))
                answer.SetException(new InvalidOperationException(error.ToString()));
            else
                answer.SetResult(message.GetProperty("result"));
            return;
        }
        string method = message.GetProperty("method").GetString()!;
        JsonElement said = message.GetProperty("params");
        bool isFault = method == "Runtime.exceptionThrown"
            || (method == "Runtime.consoleAPICalled" && said.GetProperty("type").GetString() == "error")
            || (method == "Log.entryAdded"
                && said.GetProperty("entry").GetProperty("level").GetString() == "error");
        if (isFault)
            _faults.Enqueue(said.ToString());
    }
}
