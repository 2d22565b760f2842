using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>What is refused, by the name of the field, before anything is computed; and prompts of each
/// kind.</summary>
public sealed class EngineRefusalTests
{
    private const string Template =
        "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
        + "{% if shout %}!{% endif %}{% if tools %}T{% endif %}"
        + "{% if add_generation_prompt %}[assistant]{% endif %}";

    private Engine _engine = null!;

    [OneTimeSetUp]
    public async Task Start() => _engine = await Engine.StartAsync(
        EngineRig.Options() with { PageSize = 16, MaxTotalTokens = 160 });

    [OneTimeTearDown]
    public async Task Stop() => await _engine.DisposeAsync();

    private static IEnumerable<TestCaseData> BadRequests()
    {
        GenerateRequest good = new() { InputIds = new[] { 1, 2, 3 } };
        TestCaseData Sampling(string field, SamplingParams sampling, string name = "") =>
            Case(field, good with { Sampling = sampling }, name);
        yield return Case("prompt", new GenerateRequest());
        yield return Case("prompt", good with { Text = "x" }, "two prompts");
        yield return Case("prompt", new GenerateRequest { Text = "" }, "empty text");
        yield return Case("prompt", new GenerateRequest { InputIds = Array.Empty<int>() }, "no ids");
        yield return Case("prompt", new GenerateRequest { InputIds = new int[2049] }, "over-long");
        yield return Case("prompt", new GenerateRequest { InputIds = new int[2048] }, "no room");
        yield return Case("input_ids", new GenerateRequest { InputIds = new[] { 320 } }, "id too large");
        yield return Case("input_ids", new GenerateRequest { InputIds = new[] { -1 } }, "negative id");
        yield return Case("logprob_start_len", good with { LogProbStartLen = 3 });
        yield return Case("logprob_start_len", good with { LogProbStartLen = -2 }, "too low");
        yield return Case("top_logprobs_num", good with { TopLogProbsNum = 65 });
        yield return Case("top_logprobs_num", good with { TopLogProbsNum = -1 }, "negative");
        yield return Sampling("temperature", new SamplingParams { Temperature = -1 });
        yield return Sampling("temperature", new SamplingParams { Temperature = float.NaN }, "not a number");
        yield return Sampling("top_p", new SamplingParams { TopP = 0 });
        yield return Sampling("top_p", new SamplingParams { TopP = 1.1f }, "too high");
        yield return Sampling("top_k", new SamplingParams { TopK = 0 });
        yield return Sampling("min_p", new SamplingParams { MinP = float.NaN });
        yield return Sampling("repetition_penalty", new SamplingParams { RepetitionPenalty = 0 });
        yield return Sampling("frequency_penalty", new SamplingParams { FrequencyPenalty = 2.5f });
        yield return Sampling("presence_penalty", new SamplingParams { PresencePenalty = -3 });
        yield return Sampling("max_new_tokens", new SamplingParams { MaxNewTokens = -1 });
        yield return Sampling("min_new_tokens", new SamplingParams { MinNewTokens = 129 });
        yield return Sampling("stop_token_ids", new SamplingParams { StopTokenIds = [320] });
        yield return Sampling("stop", new SamplingParams { Stop = [""] });
        yield return Sampling(
            "logit_bias", new SamplingParams { LogitBias = new Dictionary<int, float> { [-1] = 1 } },
            "bad id");
        yield return Sampling("logit_bias",
            new SamplingParams { LogitBias = new Dictionary<int, float> { [1] = float.PositiveInfinity } });
        yield return Case("messages", new GenerateRequest { Messages = Json("[]") }, "no template");

        static TestCaseData Case(string field, GenerateRequest request, string name = "") =>
            new TestCaseData(field, request).SetArgDisplayNames($"{field} {name}".Trim());
    }

    [TestCaseSource(nameof(BadRequests))]
    public void A_bad_request_is_refused_by_the_name_of_its_field(string field, GenerateRequest request)
    {
        RequestException error = Assert.Throws<RequestException>(() => _engine.Stream(request))!;
        Assert.That(error.Field, Is.EqualTo(field));
        Assert.That(error.Message, Does.StartWith($"{field}: "));
    }

    [Test]
    public void What_can_never_fit_is_refused_with_the_numbers()
    {
        CapacityException pool = Assert.Throws<CapacityException>(() => _engine.Stream(new GenerateRequest
        {
            InputIds = new int[100], Sampling = new SamplingParams { MaxNewTokens = 100 },
        }))!;
        Assert.That(
            pool.Message, Does.Contain("13 KV blocks").And.Contain("has 10").And.Contain("max_total_tokens"));
        CapacityException context = Assert.Throws<CapacityException>(() => _engine.Stream(new GenerateRequest
        {
            InputIds = new int[2000], Sampling = new SamplingParams { MaxNewTokens = 100 },
        }))!;
        Assert.That(context.Message, Does.Contain("2048").And.Contain("context_length"));
    }

    [Test]
    public async Task A_full_queue_is_refused_and_the_engine_goes_on()
    {
        await using Engine engine = await Engine.StartAsync(
            EngineRig.Options() with { MaxQueuedRequests = 2, MaxRunningRequests = 1 });
        GenerateRequest request = new()
        {
            InputIds = new[] { 1 }, Sampling = new SamplingParams { MaxNewTokens = 1000, IgnoreEos = true },
        };
        List<TokenStream> streams = [];
        CapacityException error = Assert.Throws<CapacityException>(() =>
        {
            while (streams.Count < 10)
                streams.Add(engine.Stream(request));
        })!;
        Assert.That(error.Message, Does.Contain("max_queued_requests"));
        engine.AbortAll();
        await Task.WhenAll(streams.Select(stream => stream.Completion));
        Assert.DoesNotThrow(() => engine.Stream(request).Abort());
    }

    [Test]
    public void One_bad_request_of_a_batch_refuses_the_batch_before_any_runs()
    {
        GenerateRequest good =
            new() { InputIds = new[] { 1 }, Sampling = new SamplingParams { MaxNewTokens = 2 } };
        long before = _engine.Metrics.PrefillTokens;
        Assert.ThrowsAsync<RequestException>(
            () => _engine.GenerateAsync([good, good with { InputIds = new[] { -5 } }]));
        Assert.That(_engine.Metrics.PrefillTokens, Is.EqualTo(before));
    }

    [Test]
    public void Scores_of_nothing_or_of_too_much_are_refused()
    {
        Assert.ThrowsAsync<RequestException>(
            () => _engine.ScoreAsync(Array.Empty<int>(), 0, new SamplingParams()));
        Assert.ThrowsAsync<RequestException>(() => _engine.ScoreAsync(new[] { 1 }, 2, new SamplingParams()));
        Assert.ThrowsAsync<CapacityException>(
            () => _engine.ScoreAsync(new int[161], 1, new SamplingParams()));
    }

    [Test]
    public async Task A_folder_without_a_tokenizer_serves_ids_and_refuses_text()
    {
        await using Engine engine = await EngineRig.StartAsync(EngineRig.Folder(hasTokenizer: false));
        Assert.That(engine.Tokenizer, Is.Null);
        Generation answer = await engine.GenerateAsync(new GenerateRequest { InputIds = new[] { 1, 2 } });
        Assert.That(answer.Text, Is.Empty);
        Assert.That(answer.OutputIds, Is.Not.Empty);
        Assert.That(Field(new GenerateRequest { Text = "x" }), Is.EqualTo("text"));
        Assert.That(Field(new GenerateRequest { Messages = Json("[]") }), Is.EqualTo("messages"));
        Assert.That(Field(new GenerateRequest
        {
            InputIds = new[] { 1 }, Sampling = new SamplingParams { Stop = ["x"] },
        }), Is.EqualTo("stop"));

        string Field(GenerateRequest request) =>
            Assert.Throws<RequestException>(() => engine.Stream(request))!.Field;
    }

    [Test]
    public async Task Chats_are_rendered_by_the_template_beside_the_weights([Values] bool isInConfig)
    {
        string folder = EngineRig.Folder(template: isInConfig ? Template + " " : Template);
        if (isInConfig)
        {
            File.Delete(Path.Combine(folder, "chat_template.jinja"));
            File.WriteAllText(
                Path.Combine(folder, "tokenizer_config.json"), EngineRig.TokenizerConfig(Template));
        }
        await using Engine engine = await EngineRig.StartAsync(folder);
        Assert.That(engine.HasChatTemplate, Is.True);
        Generation answer = await engine.GenerateAsync(new GenerateRequest
        {
            Messages = Json("""[{"role":"user","content":"hi é"}]"""), Tools = Json("[{}]"),
            ChatTemplateArguments = Json("""{"shout": true}"""),
            Sampling = new SamplingParams { MaxNewTokens = 1 },
        });
        string start = isInConfig ? "<s>" : "";
        Assert.That(answer.PromptIds.ToArray(),
            Is.EqualTo(engine.Tokenizer!.Encode($"{start}[user]hi é!T[assistant]")));
        RequestException error = Assert.Throws<RequestException>(
            () => engine.Stream(new GenerateRequest { Messages = Json("[3]") }))!;
        Assert.That(error.Field, Is.EqualTo("messages"));
    }

    [Test]
    public async Task Added_tokens_in_text_are_tokens_unless_switched_off()
    {
        GenerateRequest request =
            new() { Text = "a</s>", Sampling = new SamplingParams { MaxNewTokens = 0 } };
        Generation parsed = await _engine.GenerateAsync(request);
        Assert.That(parsed.PromptIds.ToArray(), Is.EqualTo(new[] { 'a' + 2, 1 }));
        Generation plain = await _engine.GenerateAsync(request with { ParseAddedTokens = false });
        Assert.That(plain.PromptIds.ToArray(), Is.EqualTo("a</s>".Select(letter => letter + 2)));
    }

    private static IEnumerable<TestCaseData> BadOptions()
    {
        EngineOptions good = new() { ModelPath = "model" };
        yield return Case("model_path", good with { ModelPath = " " });
        yield return Case("page_size", good with { PageSize = 3 });
        yield return Case("mem_fraction_static", good with { MemFractionStatic = 0 });
        yield return Case("max_total_tokens", good with { MaxTotalTokens = 0 });
        yield return Case("max_running_requests", good with { MaxRunningRequests = 0 });
        yield return Case("max_queued_requests", good with { MaxQueuedRequests = 0 });
        yield return Case("chunked_prefill_size", good with { ChunkedPrefillSize = 0 });
        yield return Case("context_length", good with { ContextLength = 0 });
        yield return Case("threads", good with { ThreadCount = 0 });
        static TestCaseData Case(string option, EngineOptions options) =>
            new TestCaseData(option, options).SetArgDisplayNames(option);
    }

    [TestCaseSource(nameof(BadOptions))]
    public void A_bad_option_is_refused_by_its_name(string option, EngineOptions options)
    {
        OptionsException error = Assert.ThrowsAsync<OptionsException>(() => Engine.StartAsync(options))!;
        Assert.That(error.Option, Is.EqualTo(option));
    }

    [Test]
    public void A_context_beyond_the_checkpoints_and_a_cache_beyond_memory_are_refused()
    {
        OptionsException context = Assert.ThrowsAsync<OptionsException>(
            () => Engine.StartAsync(EngineRig.Options() with { ContextLength = 4096 }))!;
        Assert.That(context.Message, Does.Contain("2048"));
        BackendException memory = Assert.ThrowsAsync<BackendException>(
            () => Engine.StartAsync(EngineRig.Options() with { MaxTotalTokens = int.MaxValue }))!;
        Assert.That(memory.Message, Does.Contain("max_total_tokens"));
    }

    private static JsonElement Json(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        return document.RootElement.Clone();
    }
}
