namespace PdEngine.Tests;

/// <summary>When a generation ends, and what is left of its text.</summary>
public sealed class EngineStopTests
{
    private const int FirstLetter = 'a' + 2;
    private const int Eos = 1;
    private Engine _engine = null!;
    private Generation _free = null!;

    [OneTimeSetUp]
    public async Task Start()
    {
        _engine = await EngineRig.StartAsync();
        _free = await AskAsync(Letters());
        Assert.That(_free.Text, Has.Length.EqualTo(40));
        Assert.That(_free.Text, Is.EqualTo(string.Concat(_free.OutputIds.Select(id => (char)(id - 2)))));
    }

    [OneTimeTearDown]
    public async Task Stop() => await _engine.DisposeAsync();

    [Test]
    public async Task A_stop_string_over_several_tokens_ends_the_text_before_it_and_keeps_the_ids()
    {
        string stop = _free.Text[20..24];
        int at = _free.Text.IndexOf(stop, StringComparison.Ordinal);
        Generation answer = await AskAsync(Letters() with { Stop = ["never!", stop] });
        Assert.That(answer.FinishReason, Is.EqualTo(FinishReason.Stop));
        Assert.That(answer.MatchedStopText, Is.EqualTo(stop));
        Assert.That(answer.MatchedStopId, Is.Null);
        Assert.That(answer.Text, Is.EqualTo(_free.Text[..at]));
        Assert.That(answer.OutputIds, Is.EqualTo(_free.OutputIds.Take(at + 4)));
        Assert.That(answer.OutputLogProbs, Has.Count.EqualTo(at + 4));
    }

    [Test]
    public async Task An_untrimmed_stop_string_stays()
    {
        string stop = _free.Text[20..24];
        int at = _free.Text.IndexOf(stop, StringComparison.Ordinal);
        Generation answer = await AskAsync(Letters() with { Stop = [stop], NoStopTrim = true });
        Assert.That(answer.Text, Is.EqualTo(_free.Text[..(at + 4)]));
    }

    [Test]
    public async Task A_stop_string_that_only_starts_is_text_in_the_end()
    {
        Generation answer = await AskAsync(Letters() with { Stop = [_free.Text[38..] + "!"] });
        Assert.That(answer.FinishReason, Is.EqualTo(FinishReason.Length));
        Assert.That(answer.Text, Is.EqualTo(_free.Text));
    }

    [Test]
    public async Task Streamed_text_never_shows_a_stop_string()
    {
        string stop = _free.Text[20..24];
        string shown = "";
        await foreach (TokenChunk chunk in _engine.Stream(Ask(Letters() with { Stop = [stop] })))
            shown += chunk.Text;
        Assert.That(shown, Is.EqualTo(_free.Text[.._free.Text.IndexOf(stop, StringComparison.Ordinal)]));
    }

    [Test]
    public async Task A_stop_id_ends_the_generation_and_stays_in_the_ids_only()
    {
        int id = _free.OutputIds[17];
        int at = _free.OutputIds.ToList().IndexOf(id);
        Generation answer = await AskAsync(Letters() with { StopTokenIds = [id] });
        Assert.That(answer.FinishReason, Is.EqualTo(FinishReason.Stop));
        Assert.That(answer.MatchedStopId, Is.EqualTo(id));
        Assert.That(answer.OutputIds, Is.EqualTo(_free.OutputIds.Take(at + 1)));
        Assert.That(answer.Text, Is.EqualTo(_free.Text[..at]));
        Generation kept = await AskAsync(Letters() with { StopTokenIds = [id], NoStopTrim = true });
        Assert.That(kept.Text, Is.EqualTo(_free.Text[..(at + 1)]));
    }

    [Test]
    public async Task The_checkpoints_own_stop_id_ends_unless_ignored()
    {
        SamplingParams toEos = new()
        {
            MaxNewTokens = 6, Temperature = 0, LogitBias = new Dictionary<int, float> { [Eos] = 100 },
        };
        Generation ended = await AskAsync(toEos);
        Assert.That(ended.OutputIds, Is.EqualTo(new[] { Eos }));
        Assert.That(ended.Text, Is.Empty);
        Generation ignored = await AskAsync(toEos with { IgnoreEos = true });
        Assert.That(ignored.OutputIds, Is.EqualTo(Enumerable.Repeat(Eos, 6)));
        Assert.That(ignored.FinishReason, Is.EqualTo(FinishReason.Length));
        Generation shown =
            await AskAsync(toEos with { IgnoreEos = true, SkipSpecialTokens = false, MaxNewTokens = 2 });
        Assert.That(shown.Text, Is.EqualTo("</s></s>"));
    }

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(5)]
    public async Task No_stop_id_comes_before_the_fewest_tokens(int fewest)
    {
        Generation answer = await AskAsync(new SamplingParams
        {
            MaxNewTokens = 12, MinNewTokens = fewest, Temperature = 0,
            LogitBias = new Dictionary<int, float> { [Eos] = 100 },
        });
        Assert.That(answer.OutputIds, Has.Count.EqualTo(fewest + 1));
        Assert.That(answer.OutputIds.ToList().IndexOf(Eos), Is.EqualTo(fewest));
    }

    [Test]
    public async Task The_context_ends_a_generation_by_length()
    {
        await using Engine engine = await Engine.StartAsync(EngineRig.Options() with { ContextLength = 30 });
        Generation answer = await engine.GenerateAsync(new GenerateRequest
        {
            InputIds = new int[20], Sampling = new SamplingParams { MaxNewTokens = 10, IgnoreEos = true },
        });
        Assert.That(answer.OutputIds, Has.Count.EqualTo(10));
        Assert.That(answer.FinishReason, Is.EqualTo(FinishReason.Length));
    }

    [Test]
    public async Task A_stop_string_inside_a_token_cuts_the_token()
    {
        string tokenizer = SmallTokenizers.ByteLevel().ToJsonString();
        await using Engine engine = await EngineRig.StartAsync(EngineRig.Folder(tokenizer: tokenizer));
        int hello = engine.Tokenizer!.TokenId("hello")!.Value;
        Generation answer = await engine.GenerateAsync(Ask(Only(hello) with { Stop = ["loh"] }));
        Assert.That(answer.OutputIds, Is.EqualTo(new[] { hello, hello }));
        Assert.That(answer.Text, Is.EqualTo("hel"));
    }

    [TestCase("\n", 1)]
    [TestCase("\n\n\n", 3)]
    public async Task A_stop_string_of_byte_tokens_is_met_at_once(string stop, int count)
    {
        string tokenizer = SmallTokenizers.SentencePiece().ToJsonString();
        await using Engine engine = await EngineRig.StartAsync(EngineRig.Folder(tokenizer: tokenizer));
        int newline = engine.Tokenizer!.TokenId("<0x0A>")!.Value;
        Generation answer = await engine.GenerateAsync(Ask(Only(newline) with { Stop = [stop] }));
        Assert.That(answer.MatchedStopText, Is.EqualTo(stop));
        Assert.That(answer.OutputIds, Has.Count.EqualTo(count));
        Assert.That(answer.Text, Is.Empty);
    }

    private static SamplingParams Letters() => new()
    {
        MaxNewTokens = 40, SamplingSeed = 4,
        LogitBias = Enumerable.Range(0, 320).Where(id => id is < FirstLetter or >= FirstLetter + 26)
            .ToDictionary(id => id, _ => -200f),
    };

    private static SamplingParams Only(int id) =>
        new() { MaxNewTokens = 8, LogitBias = new Dictionary<int, float> { [id] = 200 } };

    private static GenerateRequest Ask(SamplingParams sampling) =>
        new() { InputIds = new[] { 40, 50, 60 }, Sampling = sampling, ReturnLogProb = true };

    private Task<Generation> AskAsync(SamplingParams sampling) => _engine.GenerateAsync(Ask(sampling));
}
