using PdEngine.Interop;

namespace PdEngine.Tests;

public sealed class SamplingEdgeTests
{
    private const float Infinity = float.PositiveInfinity;

    public static readonly string[] All = SamplerUnderTest.All;

    [TestCaseSource(nameof(All))]
    public void Greedy_takes_the_lowest_id_of_equal_logits(string name)
    {
        float[] z = new float[5000];
        z[70] = z[4097] = z[4999] = 3;
        Assert.That(One(name, z, SampleRows.Greedy(0)).Token, Is.EqualTo(70));
        Assert.That(One(name, new float[5000], SampleRows.Greedy(0)).Token, Is.Zero);
    }

    [TestCaseSource(nameof(All))]
    public void Greedy_log_probs_are_those_of_temperature_one(string name)
    {
        SampleResult result = One(name, [0, 1, 2], SampleRows.Greedy(0));
        Assert.That(result.LogProb, Is.EqualTo(2 - Math.Log(1 + Math.E + Math.Exp(2))).Within(1e-6));
    }

    [TestCaseSource(nameof(All))]
    public void A_single_kept_token_is_always_drawn(string name)
    {
        float[] z = [0, 1, 1, -2, 0.5f];
        SampleRow plain = SampleRows.Plain(0) with { LogProbMode = (int)LogProbMode.Processed };
        SampleRow[] rows = [plain with { TopK = 1 }, plain with { TopP = 1e-6f }, plain with { TopP = 0 }];
        foreach (SampleRow row in rows)
        {
            for (ulong seed = 0; seed < 50; seed++)
            {
                SampleResult result = One(name, z, row with { Seed = seed });
                Assert.That((result.Token, result.LogProb), Is.EqualTo((1, 0f)), $"seed {seed}");
            }
        }
    }

    [TestCaseSource(nameof(All))]
    public void Min_p_of_one_keeps_the_most_likely_tokens_only(string name)
    {
        float[] z = [0, 1, 1, -2, 0.5f];
        HashSet<int> drawn = [];
        for (ulong seed = 0; seed < 100; seed++)
            drawn.Add(One(name, z, SampleRows.Plain(0, seed) with { MinP = 1 }).Token);
        Assert.That(drawn, Is.EquivalentTo(new[] { 1, 2 }));
    }

    [TestCaseSource(nameof(All))]
    public void A_top_k_beyond_the_vocabulary_keeps_all(string name)
    {
        float[] z = [0, 1, 2];
        for (ulong seed = 0; seed < 50; seed++)
        {
            SampleRow row = SampleRows.Plain(0, seed);
            SampleResult all = One(name, z, row);
            Assert.That(One(name, z, row with { TopK = 4 }), Is.EqualTo(all), $"seed {seed}");
            Assert.That(One(name, z, row with { TopK = 3 }), Is.EqualTo(all), $"seed {seed}");
        }
    }

    [TestCaseSource(nameof(All))]
    public void A_token_outside_the_kept_set_scores_minus_infinity_when_processed(string name)
    {
        SampleRow row = SampleRows.Score(0, target: 0, LogProbMode.Processed) with { TopK = 2, TopCount = 3 };
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        using Tensor logits = SampleRows.Logits(0, 1, 2);
        SampleBatch samples = new();
        samples.Add(row);
        sampler.Sample(logits, samples);
        Assert.That(samples.Results[0].LogProb, Is.EqualTo(float.NegativeInfinity));
        int[] ids = [.. samples.Tops.ToArray().Select(top => top.TokenId)];
        Assert.That(ids, Is.EqualTo(new[] { 2, 1, 0 }), "listed by rank");
        Assert.That(samples.Tops[1].LogProb, Is.EqualTo(1 - 2 - Math.Log(1 + Math.Exp(-1))).Within(1e-6));
        Assert.That(samples.Tops[2].LogProb, Is.EqualTo(float.NegativeInfinity));
    }

    [TestCaseSource(nameof(All))]
    public void Top_tokens_of_equal_value_are_listed_by_id(string name)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        float[] z = new float[9000];
        z[8000] = z[123] = 1;
        using Tensor logits = SampleRows.Logits(z);
        SampleBatch samples = new();
        samples.Add(SampleRows.Plain(0) with { TopCount = 4 });
        samples.Add(SampleRows.Plain(0) with
        {
            TopCount = 4, LogProbMode = (int)LogProbMode.Raw, Temperature = 0.5f,
        });
        sampler.Sample(logits, samples);
        int[] ids = [.. samples.Tops.ToArray().Select(top => top.TokenId)];
        Assert.That(ids, Is.EqualTo(new[] { 123, 8000, 0, 1, 123, 8000, 0, 1 }));
    }

    [TestCaseSource(nameof(All))]
    public void A_row_with_one_NaN_anywhere_is_refused(string name)
    {
        foreach (int at in new[] { 0, 5, 4095, 4096, 9000 })
        {
            float[] z = new float[9001];
            z[at] = float.NaN;
            SampleRow[] rows = [SampleRows.Plain(0), SampleRows.Greedy(0), SampleRows.Score(0, 1)];
            foreach (SampleRow row in rows)
                ExpectRefusal(() => One(name, z, row), "or a NaN");
        }
    }

    [TestCaseSource(nameof(All))]
    public void A_row_without_a_finite_value_is_refused(string name)
    {
        float[] none = [float.NegativeInfinity, float.NegativeInfinity, float.NegativeInfinity];
        SampleRow[] rows = [SampleRows.Plain(0), SampleRows.Greedy(0), SampleRows.Score(0, 1)];
        foreach (SampleRow row in rows)
            ExpectRefusal(() => One(name, none, row), "ogits row 0 has no finite value");
        ExpectRefusal(() => One(name, [0, Infinity], SampleRows.Plain(0)), "an infinite value");
    }

    [TestCaseSource(nameof(All))]
    public void A_row_of_suppressed_tokens_alone_is_refused(string name)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        using Tensor logits = SampleRows.Logits(1, 2);
        SampleBatch samples = new();
        samples.Add(SampleRows.Plain(0), [], [], [], [0, 1]);
        ExpectRefusal(() => sampler.Sample(logits, samples), "no finite value");
    }

    [TestCaseSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.Native))]
    public void Rows_beside_a_refused_one_have_their_results(string name)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        using Tensor logits = new(3, 10);
        logits.Row(1).Fill(float.NaN);
        logits.Row(2)[4] = 1;
        SampleBatch samples = new();
        for (int r = 0; r < 3; r++)
            samples.Add(SampleRows.Greedy(r));
        ExpectRefusal(() => sampler.Sample(logits, samples), "logits row 1 ");
        int[] tokens = [.. samples.Results.ToArray().Select(result => result.Token)];
        Assert.That(tokens, Is.EqualTo(new[] { 0, -1, 4 }));
    }

    [TestCaseSource(nameof(All))]
    public void Suppressed_tokens_are_never_drawn_whatever_their_bias(string name)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        using Tensor logits = SampleRows.Logits(50, 0, 0, 60);
        SampleBatch samples = new();
        for (ulong seed = 0; seed < 50; seed++)
            samples.Add(SampleRows.Plain(0, seed), [], [0], [100], [0, 3]);
        samples.Add(SampleRows.Greedy(0), [], [], [], [0, 3]);
        sampler.Sample(logits, samples);
        foreach (SampleResult result in samples.Results)
            Assert.That(result.Token, Is.EqualTo(1).Or.EqualTo(2));
        Assert.That(samples.Results[^1].Token, Is.EqualTo(1));
    }

    [TestCaseSource(nameof(All))]
    public void Bias_moves_the_argmax_and_can_forbid_it(string name)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        using Tensor logits = SampleRows.Logits(5, 0, 0, 4);
        SampleBatch samples = new();
        samples.Add(SampleRows.Greedy(0), [], [1], [100], []);
        samples.Add(SampleRows.Greedy(0), [], [0], [-100], []);
        samples.Add(SampleRows.Greedy(0), [], [0, 3], [float.NegativeInfinity, -5], []);
        sampler.Sample(logits, samples);
        int[] tokens = [.. samples.Results.ToArray().Select(result => result.Token)];
        Assert.That(tokens, Is.EqualTo(new[] { 1, 3, 1 }));
    }

    // Repetition counts prompt and output once a token; frequency and presence count the output alone.
    [TestCaseSource(nameof(All))]
    public void Penalties_count_prompt_and_output_by_their_own_rules(string name)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        using Tensor logits = SampleRows.Logits(2, 2, -2, 2);
        SampleBatch samples = new();
        SampleRow row = SampleRows.Plain(0) with
        {
            RepetitionPenalty = 2, FrequencyPenalty = 0.5f, PresencePenalty = 0.25f, PromptCount = 3,
        };
        int[] history = [0, 0, 2, 1, 1, 2, 1];
        float[] expected = [1, 1 - 3 * 0.5f - 0.25f, -4 - 0.5f - 0.25f, 2];
        double logSum = Math.Log(expected.Sum(z => Math.Exp(z)));
        for (int token = 0; token < 4; token++)
            samples.Add(row with { Target = token }, history, [], [], []);
        sampler.Sample(logits, samples);
        for (int token = 0; token < 4; token++)
        {
            float logProb = samples.Results[token].LogProb;
            Assert.That(logProb, Is.EqualTo(expected[token] - logSum).Within(2e-6), $"token {token}");
        }
    }

    [TestCaseSource(nameof(All))]
    public void Values_at_the_ends_of_the_range_are_drawn_without_overflow(string name)
    {
        SampleResult huge = One(name, [1e30f, -1e30f, 1e30f], SampleRows.Plain(0) with { TopP = 0.9f });
        Assert.That(huge.Token, Is.EqualTo(0), "noise is lost beside such values; the lowest id of the tie");
        Assert.That(huge.LogProb, Is.EqualTo(-Math.Log(2)).Within(1e-6));
        SampleResult cold = One(name, [20, 21, 19], SampleRows.Plain(0) with { Temperature = 1e-30f });
        Assert.That((cold.Token, cold.LogProb < 0), Is.EqualTo((1, true)), "so cold a row counts as greedy");
    }

    [TestCaseSource(typeof(SamplerUnderTest), nameof(SamplerUnderTest.Native))]
    public void Rows_that_make_no_sense_are_refused(string name)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        using Tensor logits = SampleRows.Logits(1, 2, 3);
        void Refuses(SampleRow row, int[] history, int[] bias, int[] suppressed, string about)
        {
            SampleBatch samples = new();
            samples.Add(row, history, bias, new float[bias.Length], suppressed);
            ExpectRefusal(() => sampler.Sample(logits, samples), about);
        }
        SampleRow plain = SampleRows.Plain(0);
        Refuses(plain with { Target = 3 }, [], [], [], "target");
        Refuses(plain with { TopCount = 4 }, [], [], [], "top_count");
        Refuses(plain with { Temperature = float.NaN }, [], [], [], "temperature");
        Refuses(plain with { TopP = 1.5f }, [], [], [], "top_p");
        Refuses(plain with { MinP = -1 }, [], [], [], "min_p");
        Refuses(plain with { RepetitionPenalty = 0 }, [], [], [], "repetition_penalty");
        Refuses(plain with { PresencePenalty = 1 }, [0, 3], [], [], "id 3");
        Refuses(plain, [], [-5], [], "id -5");
        Refuses(plain, [], [], [7], "id 7");
    }

    [Test]
    public unsafe void Rows_and_results_have_the_layout_of_the_kernels()
    {
        static long Native(ReadOnlySpan<byte> name)
        {
            fixed (byte* text = name)
                return CpuNative.pd_abi_sizeof(text);
        }
        Assert.That(Native("pd_sample_row\0"u8), Is.EqualTo(sizeof(SampleRow)));
        Assert.That(Native("pd_token_logprob\0"u8), Is.EqualTo(sizeof(SampleResult)));
        Assert.That(Native("pd_token_logprob\0"u8), Is.EqualTo(sizeof(TopLogProb)));
        Assert.That(Native("pd_sample_args\0"u8), Is.EqualTo(sizeof(SampleArgs)));
    }

    [Test]
    public void A_batch_of_no_rows_is_sampled()
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create("avx2");
        using Tensor logits = SampleRows.Logits(1);
        Assert.That(() => sampler.Sample(logits, new SampleBatch()), Throws.Nothing);
    }

    private static SampleResult One(string name, float[] values, SampleRow row)
    {
        using SamplerUnderTest sampler = SamplerUnderTest.Create(name);
        using Tensor logits = SampleRows.Logits(values);
        SampleBatch samples = new();
        samples.Add(row);
        sampler.Sample(logits, samples);
        return samples.Results[0];
    }

    private static void ExpectRefusal(Action sample, string about)
    {
        Exception error = Assert.Catch(sample)!;
        Assert.That(error, Is.InstanceOf<BackendException>().Or.InstanceOf<NativeException>());
        Assert.That(error.Message, Does.Contain(about));
    }
}
