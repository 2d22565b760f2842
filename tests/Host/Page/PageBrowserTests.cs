using System.Text.Json;
using System.Text.Json.Nodes;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>The page in a real browser, before a server of pd-tiny with prefill and decode apart.</summary>
[NonParallelizable]
public sealed class PageBrowserTests
{
    private const string Answered =
        "document.querySelector('.stats')?.textContent.includes('ended: stop')";

    [Test]
    public async Task The_page_follows_a_server_under_load()
    {
        await using Chromium browser = await Chromium.StartAsync();
        await using HttpRig rig = await StartAsync();
        await browser.ShapeAsync(1440, 1000);
        await browser.GoAsync(rig.Server.Address);
        await browser.UntilAsync("document.querySelector('#link').dataset.state === 'live'");
        Assert.That(await browser.TextAsync(".empty pre"), Does.Contain($"curl {Origin(rig)}/v1/chat/"));
        using CancellationTokenSource enough = new();
        Task load = LoadAsync(rig, enough.Token);
        await browser.UntilAsync("parseInt(document.querySelector('#timeline-sum').textContent) > 3");
        string sum = await browser.TextAsync("#timeline-sum");
        await browser.UntilAsync($"document.querySelector('#timeline-sum').textContent !== '{sum}'");
        string[] workers = ["prefill-0", "decode-0"];
        foreach (string worker in workers)
            Assert.That(await browser.TextAsync("#topology"), Does.Contain(worker).And.Contain("1 core"));
        await browser.UntilAsync("parseFloat(document.querySelector('.flow b').textContent) > 0");
        await browser.UntilAsync(
            "[...document.querySelectorAll('.chart')].every(chart => "
            + "[...chart.querySelectorAll('path')].some(path => /M.*L/.test(path.getAttribute('d') ?? '')))");
        await browser.PointAsync(".rows li:nth-child(3) button");
        await browser.UntilAsync("document.querySelector('.detail').textContent.includes('inter-token')");
        Assert.That(await browser.TextAsync(".detail"), Does.Contain("prefill-0 → decode-0"));
        await browser.PointAsync(".chart svg");
        Assert.That(await browser.TextAsync(".when"), Does.Contain(":"));
        await browser.UntilAsync("document.querySelector('.tips').textContent.length > 0"
            + " && !document.querySelector('.tips').textContent.startsWith('Watching')");
        await enough.CancelAsync();
        await load;
        Assert.That(browser.Faults, Is.Empty);
        // What a page must not do is refused, and would have been seen.
        await browser.EvaluateAsync(
            "document.body.append(Object.assign(new Image(), { src: 'http://192.0.2.1/x' }))");
        Assert.That(() => browser.Faults.Count, Is.Positive.After(60_000, 20));
        Assert.That(browser.Faults.First(), Does.Contain("Content Security Policy"));
    }

    [Test]
    public async Task The_playground_streams_a_chat_and_tells_of_each_token()
    {
        await using Chromium browser = await Chromium.StartAsync();
        await using HttpRig rig = await StartAsync();
        await browser.ShapeAsync(1200, 1000);
        await browser.GoAsync(rig.Server.Address);
        await browser.UntilAsync("document.querySelector('#prompt')?.disabled === false"
            + " && document.querySelector('#mode-chat').checked");
        await browser.EvaluateAsync("document.querySelector('#temperature').value = '0'");
        await browser.PointAsync("#prompt", clicks: true);
        await browser.TypeAsync("17+25=");
        await browser.PressAsync("Enter");
        await browser.UntilAsync(Answered);
        Assert.That(await browser.TextAsync(".tokens"), Does.StartWith("42"));
        Assert.That(await browser.TextAsync(".stats"), Does.Match("first token .+ms · 3 tokens · "));
        await browser.PointAsync(".tokens span");
        Assert.That(await browser.TextAsync(".token-head"), Does.Match(@"^4 \d+%, log-prob -?0\.\d{4}$"));
        // By keyboard as well.
        await browser.EvaluateAsync("document.querySelector('.tokens').focus()");
        await browser.PressAsync("ArrowRight");
        Assert.That(await browser.TextAsync(".token-head"), Does.StartWith("2 "));
        await browser.PointAsync("label[for=\"mode-completion\"]", clicks: true);
        await browser.UntilAsync("document.querySelector('#mode-completion').checked");
        await browser.PointAsync("#prompt", clicks: true);
        await browser.TypeAsync("<|user|>3+4=<|end|><|assistant|>");
        await browser.PressAsync("Enter");
        await browser.UntilAsync(Answered);
        Assert.That(await browser.TextAsync(".tokens"), Does.StartWith("7"));
        Assert.That(browser.Faults, Is.Empty);
    }

    [Test]
    public async Task Stop_ends_an_answer_in_the_server_too()
    {
        await using Chromium browser = await Chromium.StartAsync();
        await using HttpRig rig = await StartAsync();
        await browser.GoAsync(rig.Server.Address);
        await browser.UntilAsync("document.querySelector('#prompt')?.disabled === false");
        await rig.PostAsync("/pause_generation", """{"mode":"in_place"}""");
        await browser.UntilAsync("document.querySelector('#alarm').textContent.includes('paused')");
        await browser.PointAsync("#prompt", clicks: true);
        await browser.TypeAsync("12+7=");
        await browser.PressAsync("Enter");
        await browser.UntilAsync("document.querySelector('.stats')");
        Assert.That(() => rig.Model.LiveRequestCount, Is.EqualTo(1).After(60_000, 20));
        await browser.PointAsync(".knobs button:nth-of-type(2)", clicks: true);
        await browser.UntilAsync("document.querySelector('.stats').textContent === 'stopped'");
        await rig.PostAsync("/continue_generation", "{}");
        await rig.IsIdleAsync();
        await browser.UntilAsync("document.querySelector('#alarm').hidden");
        Assert.That(browser.Faults, Is.Empty);
    }

    [Test]
    public async Task The_form_takes_the_key_and_the_page_comes_up()
    {
        await using Chromium browser = await Chromium.StartAsync();
        await using HttpRig rig = await StartAsync(
            options => options with { ApiKey = AccessKey.Of("k", "open-sesame") });
        await browser.GoAsync(rig.Server.Address);
        await browser.UntilAsync("document.activeElement.id === 'key'");
        await browser.TypeAsync("wrong");
        await browser.PressAsync("Enter");
        await browser.UntilAsync("document.querySelector('#said').textContent === 'That is not the key.'");
        Assert.That(browser.Faults, Has.All.Contains("401"));
        int refused = browser.Faults.Count;
        await browser.TypeAsync("open-sesame");
        await browser.PressAsync("Enter");
        await browser.UntilAsync("document.querySelector('#link')?.dataset.state === 'live'");
        Assert.That(await browser.TextAsync(".empty pre"), Does.Contain("Bearer $PDENGINE_API_KEY"));
        Assert.That((await browser.EvaluateAsync("document.cookie")).GetString(), Is.Empty);
        Assert.That(browser.Faults, Has.Count.EqualTo(refused));
    }

    [Test]
    public async Task A_server_that_goes_away_is_said_and_found_again()
    {
        await using Chromium browser = await Chromium.StartAsync();
        int port;
        await using (HttpRig rig = await StartAsync())
        {
            port = rig.Server.Address.Port;
            await browser.GoAsync(rig.Server.Address);
            await browser.UntilAsync("document.querySelector('#link').dataset.state === 'live'");
            await rig.PostAsync("/generate", """{"text":"1","sampling_params":{"max_new_tokens":1}}""");
            await browser.UntilAsync("parseInt(document.querySelector('#timeline-sum').textContent) === 1");
        }
        await browser.UntilAsync("document.querySelector('#link').dataset.state === 'gone'");
        await using HttpRig again = await StartAsync(options => options with { Port = port });
        await browser.UntilAsync("document.querySelector('#link').dataset.state === 'live'");
        await browser.UntilAsync("parseInt(document.querySelector('#timeline-sum').textContent) === 0");
    }

    [Test]
    public async Task It_fits_every_width_in_both_schemes_and_does_not_jump()
    {
        await using Chromium browser = await Chromium.StartAsync();
        await using HttpRig rig = await StartAsync();
        using CancellationTokenSource enough = new();
        Task load = LoadAsync(rig, enough.Token);
        HashSet<string> grounds = [];
        foreach (int width in new[] { 390, 820, 1440 })
        {
            foreach (bool isDark in new[] { false, true })
            {
                await browser.ShapeAsync(width, 900, isDark);
                await browser.GoAsync(rig.Server.Address);
                await browser.UntilAsync("document.querySelector('#timeline .rows')");
                await browser.EvaluateAsync("new Promise(resolve => setTimeout(resolve, 1500))");
                JsonElement widths = await browser.EvaluateAsync(
                    "[document.documentElement.scrollWidth, innerWidth]");
                Assert.That(widths[0].GetInt32(), Is.LessThanOrEqualTo(width), $"{width} {isDark}");
                grounds.Add((await browser.EvaluateAsync(
                    "getComputedStyle(document.body).backgroundColor")).GetString()!);
                JsonElement shift = await browser.EvaluateAsync(LayoutShift);
                Assert.That(shift.GetDouble(), Is.LessThan(0.1), $"{width} {isDark}: layout shift");
            }
        }
        Assert.That(grounds, Has.Count.EqualTo(2));
        await AssertNamedAsync(browser);
        await enough.CancelAsync();
        await load;
        Assert.That(browser.Faults, Is.Empty);
    }

    /// <summary>Once the first numbers are there, nothing moves by itself.</summary>
    private const string LayoutShift = """
        new Promise(resolve => {
          let sum = 0;
          new PerformanceObserver(list => {
            for (const entry of list.getEntries()) sum += entry.value;
          }).observe({ type: 'layout-shift' });
          setTimeout(() => resolve(sum), 2500);
        })
        """;

    private static async Task AssertNamedAsync(Chromium browser)
    {
        string[] roles =
            ["button", "textbox", "spinbutton", "radio", "combobox", "link", "image", "img", "log"];
        JsonElement tree = await browser.SendAsync("Accessibility.getFullAXTree", new JsonObject());
        int named = 0;
        foreach (JsonElement node in tree.GetProperty("nodes").EnumerateArray())
        {
            if (node.GetProperty("ignored").GetBoolean()
                || !roles.Contains(node.GetProperty("role").GetProperty("value").GetString()))
            {
                continue;
            }
            string? name = node.TryGetProperty("name", out JsonElement said)
                ? said.GetProperty("value").GetString()
                : null;
            Assert.That(name, Is.Not.Null.And.Not.Empty, node.ToString());
            named++;
        }
        Assert.That(named, Is.GreaterThan(30));
    }

    private static Task<HttpRig> StartAsync(Func<ServeOptions, ServeOptions>? serve = null)
    {
        string folder = Path.Combine(TestFiles.Root, "models", "pd-tiny");
        return HttpRig.StartAsync(serve, folder: folder, run: options => options with
        {
            MaxTotalTokens = null,
            Topology = Topology.Resolve(new TopologyFlags
            {
                HfCheckpoint = folder, PrefillNumServers = 1, RolloutNumGpus = 2, CoreCount = 2,
            }),
            Disaggregate = DisaggregateMode.Always,
        });
    }

    private static async Task LoadAsync(HttpRig rig, CancellationToken enough)
    {
        Random random = new(7);
        while (!enough.IsCancellationRequested)
        {
            string ids = string.Join(
                ',', Enumerable.Range(0, random.Next(20, 300)).Select(_ => random.Next(4, 100)));
            await rig.PostAsync("/generate",
                $$$"""{"input_ids":[{{{ids}}}],"sampling_params":{"max_new_tokens":90,"ignore_eos":true}}""");
            await Task.Delay(20, CancellationToken.None);
        }
    }

    private static string Origin(HttpRig rig) => rig.Server.Address.ToString().TrimEnd('/');
}
