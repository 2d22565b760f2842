using System.Text.Json;
using System.Text.Json.Nodes;

namespace PdEngine.Tests;

/// <summary>
/// Takes the screenshots of the page that the README shows, of SmolLM2 with prefill and decode apart under
/// load. Their numbers are those of the machine: it has to be idle. Then they are made smaller:
/// <code>
/// dotnet test tests/PdEngine.Tests.csproj -c Release --filter FullyQualifiedName~PageScreenshots
/// pngquant --force --ext .png engine/PdEngine.Host/Page/screenshots/*.png
/// </code>
/// </summary>
[NonParallelizable]
public sealed class PageScreenshots
{
    private const int Width = 1440, Clients = 4;
    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(100);

    [Test]
    [Explicit("two minutes on an idle machine; writes the pictures of the README")]
    public async Task The_page_under_load_is_taken_in_both_schemes()
    {
        string model = TestFiles.SmolLm2();
        await using Chromium browser = await Chromium.StartAsync();
        await using HttpRig rig = await HttpRig.StartAsync(folder: model, run: options => options with
        {
            Backend = BackendKind.Cpu, ThreadCount = null, PageSize = 64, MaxTotalTokens = 16384,
            Topology = Topology.Resolve(new TopologyFlags
            {
                HfCheckpoint = model, PrefillNumServers = 1, RolloutNumGpus = 2, CoreCount = 2,
            }),
        });
        await browser.ShapeAsync(Width, 1000);
        await browser.GoAsync(rig.Server.Address);
        await browser.UntilAsync("document.querySelector('#prompt')?.disabled === false");
        using CancellationTokenSource enough = new();
        Task[] load = [.. Enumerable.Range(0, Clients).Select(seed => LoadAsync(rig, seed, enough.Token))];
        await Task.Delay(Watched);
        await browser.PointAsync("#prompt", clicks: true);
        await browser.TypeAsync("Why is the sky blue?");
        await browser.PressAsync("Enter");
        await browser.UntilAsync("document.querySelector('.stats')?.textContent.includes('ended: ')");
        await browser.PointAsync(".rows li:nth-child(6) button", clicks: true);
        await browser.PointAsync(".tokens span:nth-child(8)");
        await browser.UntilAsync("document.querySelector('.token-head').textContent.includes('log-prob')");
        int height = (await browser.EvaluateAsync("document.documentElement.scrollHeight")).GetInt32();
        string folder = Path.Combine(TestFiles.Root, "engine", "PdEngine.Host", "Page", "screenshots");
        foreach (bool isDark in (bool[])[true, false])
        {
            await browser.ShapeAsync(Width, height, isDark);
            await browser.EvaluateAsync("new Promise(resolve => setTimeout(resolve, 300))");
            JsonElement shot = await browser.SendAsync(
                "Page.captureScreenshot", new JsonObject { ["format"] = "png" });
            string file = Path.Combine(folder, isDark ? "dark.png" : "light.png");
            await File.WriteAllBytesAsync(file, shot.GetProperty("data").GetBytesFromBase64());
            TestContext.Out.WriteLine(file);
        }
        await enough.CancelAsync();
        await Task.WhenAll(load);
        Assert.That(browser.Faults, Is.Empty);
    }

    /// <summary>Prompts of which the long ones are worth a hand-off.</summary>
    private static async Task LoadAsync(HttpRig rig, int seed, CancellationToken enough)
    {
        Random random = new(seed);
        while (!enough.IsCancellationRequested)
        {
            int promptTokens = random.Next(3) == 0 ? random.Next(20, 60) : random.Next(200, 600);
            string ids = string.Join(
                ',', Enumerable.Range(0, promptTokens).Select(_ => random.Next(100, 40_000)));
            int newTokens = random.Next(20, 120);
            await rig.PostAsync("/generate", $$$"""
                {"input_ids":[{{{ids}}}],
                 "sampling_params":{"max_new_tokens":{{{newTokens}}},"ignore_eos":true}}
                """);
            await Task.Delay(random.Next(100, 1000), CancellationToken.None);
        }
    }
}
