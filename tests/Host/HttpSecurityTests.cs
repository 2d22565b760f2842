using System.Net.Http.Headers;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>Who is let in, and what he may do: each rule would be missed.</summary>
public sealed class HttpSecurityTests
{
    private const string Key = "the-key-of-users", Admin = "the-key-of-admins";

    private static readonly string[] AdminPosts =
    [
        "/flush_cache", "/pause_generation", "/continue_generation", "/release_memory_occupation",
        "/resume_memory_occupation", "/update_weights_from_disk", "/update_weights_from_tensor",
        "/update_weight_version", "/weights_checker",
    ];

    private static readonly string[] OrdinaryGets =
    [
        "/metrics", "/server_info", "/get_server_info", "/model_info", "/v1/models", "/get_load", "/v1/loads",
        "/health_generate", "/get_weight_version", "/page/state", "/no_such_route",
    ];

    private static ServeOptions Keyed(ServeOptions options) =>
        options with { ApiKey = AccessKey.Of("k", Key) };

    private static ServeOptions BothKeys(ServeOptions options) =>
        Keyed(options) with { AdminKey = AccessKey.Of("a", Admin) };

    [Test]
    public async Task With_a_key_only_health_and_the_form_are_open()
    {
        await using HttpRig rig = await HttpRig.StartAsync(Keyed);
        Assert.That(await StatusAsync(rig, HttpMethod.Get, "/health"), Is.EqualTo(200));
        foreach (string path in OrdinaryGets)
        {
            Assert.That(await StatusAsync(rig, HttpMethod.Get, path), Is.EqualTo(401), path);
            Assert.That(await StatusAsync(rig, HttpMethod.Get, path, "wrong"), Is.EqualTo(401), path);
            Assert.That(await StatusAsync(rig, HttpMethod.Get, path, Key),
                Is.EqualTo(path == "/no_such_route" ? 404 : 200), path);
        }
        foreach (string path in AdminPosts.Concat(["/generate", "/v1/chat/completions", "/abort_request"]))
            Assert.That(await StatusAsync(rig, HttpMethod.Post, path), Is.EqualTo(401), path);
        (int status, string page, HttpResponseHeaders headers) =
            await rig.SendAsync(new HttpRequestMessage(HttpMethod.Get, "/"));
        Assert.That((status, page.Contains("<form")), Is.EqualTo((200, true)));
        Assert.That(headers.GetValues("Content-Security-Policy").Single(),
            Does.Contain("frame-ancestors 'none'"));
    }

    [Test]
    public async Task The_form_trades_the_key_for_a_cookie_that_scripts_and_other_sites_never_see()
    {
        await using HttpRig rig = await HttpRig.StartAsync(BothKeys);
        await rig.RefusedAsync("/login", """{"key":"wrong"}""", 401);
        string ordinary = await LogInAsync(rig, Key), admin = await LogInAsync(rig, Admin);
        Assert.That(ordinary, Does.Not.Contain(Key));
        (HttpMethod get, HttpMethod post) = (HttpMethod.Get, HttpMethod.Post);
        Assert.That(await StatusAsync(rig, get, "/server_info", cookie: ordinary), Is.EqualTo(200));
        Assert.That(await StatusAsync(rig, post, "/flush_cache", cookie: ordinary), Is.EqualTo(403));
        Assert.That(await StatusAsync(rig, post, "/flush_cache", cookie: admin), Is.EqualTo(200));
        string forged = ordinary.Replace("=1.", "=2.", StringComparison.Ordinal);
        Assert.That(forged, Is.Not.EqualTo(ordinary));
        Assert.That(await StatusAsync(rig, get, "/server_info", cookie: forged), Is.EqualTo(401));
        await using HttpRig other = await HttpRig.StartAsync(BothKeys);
        Assert.That(await StatusAsync(other, get, "/server_info", cookie: ordinary), Is.EqualTo(401));
    }

    [Test]
    public async Task Weights_memory_pauses_flushes_and_abort_all_need_the_admin_key()
    {
        await using HttpRig rig = await HttpRig.StartAsync(BothKeys);
        foreach (string path in AdminPosts)
            Assert.That(await StatusAsync(rig, HttpMethod.Post, path, Key), Is.EqualTo(403), path);
        Assert.That(await StatusAsync(rig, HttpMethod.Get, "/flush_cache", Key), Is.EqualTo(403));
        const string Path = "/abort_request", All = """{"abort_all":true}""", One = """{"rid":"x"}""";
        Assert.That(await StatusAsync(rig, HttpMethod.Post, Path, Key, All), Is.EqualTo(403));
        Assert.That(await StatusAsync(rig, HttpMethod.Post, Path, Key, One), Is.EqualTo(200));
        Assert.That(await StatusAsync(rig, HttpMethod.Post, Path, Admin, All), Is.EqualTo(200));
        Assert.That(await StatusAsync(rig, HttpMethod.Post, "/flush_cache", Admin), Is.EqualTo(200));
        Assert.That(await StatusAsync(rig, HttpMethod.Get, "/server_info", Admin), Is.EqualTo(200));
    }

    [Test]
    public async Task An_admin_key_alone_guards_its_routes_and_leaves_the_others_open()
    {
        await using HttpRig rig = await HttpRig.StartAsync(
            options => options with { AdminKey = AccessKey.Of("a", Admin) });
        Assert.That(await StatusAsync(rig, HttpMethod.Get, "/server_info"), Is.EqualTo(200));
        Assert.That(await StatusAsync(rig, HttpMethod.Post, "/flush_cache"), Is.EqualTo(403));
        Assert.That(await StatusAsync(rig, HttpMethod.Post, "/flush_cache", Admin), Is.EqualTo(200));
    }

    [TestCase("0.0.0.0")]
    [TestCase("::")]
    [TestCase("192.0.2.1")]
    public void A_bind_beyond_loopback_needs_a_key_or_insecure(string host)
    {
        ServeOptions open = new() { Host = host };
        OptionsException? refusal = Assert.Throws<OptionsException>(() => ListenAddress.ThrowIfOpen(open));
        Assert.That(refusal!.Message, Does.Contain("--insecure").And.Contain("--api-key-file"));
        // An admin key leaves generation open.
        Assert.Throws<OptionsException>(
            () => ListenAddress.ThrowIfOpen(open with { AdminKey = AccessKey.Of("a", Admin) }));
        ListenAddress.ThrowIfOpen(open with { IsInsecure = true });
        ListenAddress.ThrowIfOpen(Keyed(open));
    }

    [TestCase("127.0.0.1")]
    [TestCase("localhost")]
    [TestCase("::1")]
    public void A_bind_to_loopback_needs_none(string host) =>
        ListenAddress.ThrowIfOpen(new ServeOptions { Host = host });

    [TestCase("/generate", "text/plain", 415)]
    [TestCase("/generate", "application/x-www-form-urlencoded", 415)]
    [TestCase("/generate", "multipart/form-data; boundary=x", 415)]
    [TestCase("/generate", "application/jsonp", 415)]
    [TestCase("/generate", null, 415)]
    [TestCase("/generate", "application/json; charset=utf-8", 200)]
    [TestCase("/generate", "Application/JSON", 200)]
    [TestCase("/flush_cache", "text/plain", 415)]
    [TestCase("/login", "text/plain", 415)]
    public async Task A_body_must_be_said_to_be_JSON(string path, string? type, int expected)
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        foreach (bool isChunked in new[] { false, true })
        {
            using HttpRequestMessage request = new(HttpMethod.Post, path)
            {
                Content = new ByteArrayContent(
                    """{"text":"a","sampling_params":{"max_new_tokens":1}}"""u8.ToArray()),
            };
            request.Content.Headers.ContentType = type is null ? null : MediaTypeHeaderValue.Parse(type);
            request.Headers.TransferEncodingChunked = isChunked;
            Assert.That((await rig.SendAsync(request)).Status, Is.EqualTo(expected));
        }
    }

    [Test]
    public async Task A_post_without_a_body_needs_no_type()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        Assert.That(await StatusAsync(rig, HttpMethod.Post, "/flush_cache"), Is.EqualTo(200));
        Assert.That(await StatusAsync(rig, HttpMethod.Post, "/generate"), Is.EqualTo(400));
    }

    [TestCase("evil.example", 403)]
    [TestCase("evil.example:30000", 403)]
    [TestCase("127.0.0.1.evil.example", 403)]
    [TestCase("192.0.2.7", 403)]
    [TestCase("localhost", 200)]
    [TestCase("LOCALHOST:1234", 200)]
    [TestCase("[::1]:5", 200)]
    [TestCase("node-7", 200)]
    [TestCase("node-8:99", 200)]
    [TestCase("node-8:98", 403)]
    public async Task The_host_must_be_this_one(string host, int expected)
    {
        await using HttpRig rig = await HttpRig.StartAsync(
            options => options with { AllowedHosts = ["node-7", "node-8:99"] });
        using HttpRequestMessage request = new(HttpMethod.Get, "/health");
        request.Headers.Host = host;
        Assert.That((await rig.SendAsync(request)).Status, Is.EqualTo(expected));
    }

    [TestCase("Origin", "http://evil.example", 403)]
    [TestCase("Origin", "null", 403)]
    [TestCase("Origin", "http://127.0.0.1:1", 403)]
    [TestCase("Origin", "OWN", 200)]
    [TestCase("Sec-Fetch-Site", "cross-site", 403)]
    [TestCase("Sec-Fetch-Site", "same-site", 403)]
    [TestCase("Sec-Fetch-Site", "same-origin", 200)]
    [TestCase("Sec-Fetch-Site", "none", 200)]
    public async Task Pages_of_other_sites_are_refused(string header, string value, int expected)
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        string given = value == "OWN" ? rig.Server.Address.ToString().TrimEnd('/') : value;
        using HttpRequestMessage request = new(HttpMethod.Get, "/flush_cache");
        request.Headers.Add(header, given);
        (int status, _, HttpResponseHeaders headers) = await rig.SendAsync(request);
        Assert.That(status, Is.EqualTo(expected));
        Assert.That(headers.Select(one => one.Key), Has.None.StartsWith("Access-Control-"));
    }

    [Test]
    public async Task No_preflight_is_answered()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        using HttpRequestMessage request = new(HttpMethod.Options, "/generate");
        request.Headers.Add("Origin", "http://evil.example");
        request.Headers.Add("Access-Control-Request-Method", "POST");
        (int status, _, HttpResponseHeaders headers) = await rig.SendAsync(request);
        Assert.That(status, Is.EqualTo(403));
        Assert.That(headers.Select(one => one.Key), Has.None.StartsWith("Access-Control-"));
    }

    [Test]
    public async Task Logs_have_neither_keys_nor_prompts_unless_asked()
    {
        const string Prompt = "my-secret-prompt";
        foreach (bool logsPrompts in new[] { false, true })
        {
            await using HttpRig rig = await HttpRig.StartAsync(options => BothKeys(options) with
            {
                LogsRequests = true, LogsPrompts = logsPrompts,
            });
            string body = $$$"""{"text":"{{{Prompt}}}","sampling_params":{"max_new_tokens":1}}""";
            Assert.That(await StatusAsync(rig, HttpMethod.Post, "/generate", Key, body), Is.EqualTo(200));
            await LogInAsync(rig, Admin);
            await StatusAsync(rig, HttpMethod.Get, $"/health?key={Key}", "wrong-" + Key);
            Assert.That(() => rig.Log.ToString().Split('\n').Length, Is.AtLeast(4).After(60_000, 10));
            string log = rig.Log.ToString();
            Assert.That(log, Does.Contain("\"path\":\"/generate\"").And.Contain("\"path\":\"/login\""));
            Assert.That(log, Does.Not.Contain(Key).And.Not.Contain(Admin));
            Assert.That(log.Contains(Prompt), Is.EqualTo(logsPrompts));
        }
    }

    [Test]
    public void A_key_is_held_as_a_hash_and_compared_whole()
    {
        AccessKey key = AccessKey.Of("k", Key);
        Assert.That(key.Matches(Key), Is.True);
        foreach (string wrong in new[] { "", Key[..^1], Key + "x", Key.ToUpperInvariant() })
            Assert.That(key.Matches(wrong), Is.False);
        Assert.That(key.ToString(), Does.Not.Contain(Key));
        foreach (string bad in new[] { "", "a b", "a\n", "é" })
        {
            OptionsException? refusal = Assert.Throws<OptionsException>(() => AccessKey.Of("flag", bad));
            Assert.That(bad.Length < 3 || !refusal!.Message.Contains(bad));
        }
    }

    private static async Task<int> StatusAsync(
        HttpRig rig, HttpMethod method, string path, string? key = null, string? body = null,
        string? cookie = null)
    {
        using HttpRequestMessage request = new(method, path);
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        if (body is not null)
            request.Content = HttpRig.Json(body);
        if (cookie is not null)
            request.Headers.Add("Cookie", cookie);
        return (await rig.SendAsync(request)).Status;
    }

    private static async Task<string> LogInAsync(HttpRig rig, string key)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, "/login")
        {
            Content = HttpRig.Json($"{{\"key\":\"{key}\"}}"),
        };
        (int status, _, HttpResponseHeaders headers) = await rig.SendAsync(request);
        Assert.That(status, Is.EqualTo(200));
        string set = headers.GetValues("Set-Cookie").Single();
        Assert.That(set, Does.Contain("httponly").And.Contain("samesite=strict"));
        return set[..set.IndexOf(';')];
    }
}
