namespace PdEngine.Tests;

public sealed class RopeTests
{
    private const int HeadDim = 64;
    private const double Theta = 500_000;

    [Test]
    public void Plain_frequencies_are_powers_of_theta()
    {
        RopeConfig rope = Rope(null);
        Assert.That(rope.AttentionFactor, Is.EqualTo(1));
        Assert.That(rope.InverseFrequencies, Has.Length.EqualTo(HeadDim / 2));
        for (int pair = 0; pair < HeadDim / 2; pair++)
            AssertClose(rope, pair, 1 / Math.Exp(2.0 * pair / HeadDim * Math.Log(Theta)));
    }

    [TestCase("rope_scaling", "{\"type\":\"linear\",\"factor\":4}")]
    [TestCase("rope_scaling", "{\"rope_type\":\"linear\",\"type\":\"yarn\",\"factor\":4.0}")]
    [TestCase("rope_parameters", "{\"rope_theta\":500000,\"rope_type\":\"linear\",\"factor\":4}", true)]
    [TestCase("rope_parameters", "{\"rope_type\":\"linear\",\"factor\":4}")]
    public void Linear_scaling_divides_in_either_spelling(string key, string json, bool thetaInside = false)
    {
        RopeConfig rope = TinyModel.Parse(
            "llama", ("head_dim", $"{HeadDim}"), (key, json),
            ("rope_theta", thetaInside ? null : $"{Theta}")).Rope;
        for (int pair = 0; pair < HeadDim / 2; pair++)
            AssertClose(rope, pair, PlainAt(pair) / 4);
    }

    [Test]
    public void Llama3_keeps_short_waves_stretches_long_ones_and_blends_between()
    {
        RopeConfig rope = Rope("{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1," +
                               "\"high_freq_factor\":4,\"original_max_position_embeddings\":8192}");
        int blended = 0;
        for (int pair = 0; pair < HeadDim / 2; pair++)
        {
            double turns = 8192 * PlainAt(pair) / (2 * Math.PI);
            double kept = Math.Clamp((turns - 1) / 3, 0, 1);
            blended += kept is > 0 and < 1 ? 1 : 0;
            AssertClose(rope, pair, PlainAt(pair) * (kept + (1 - kept) / 8));
        }
        Assert.That(blended, Is.GreaterThan(0), "the case reaches the blend");
    }

    [TestCase("", 1 + 0.13862943611198906, true)]
    [TestCase(",\"truncate\":false", 1 + 0.13862943611198906, false)]
    [TestCase(",\"attention_factor\":1.5", 1.5, true)]
    [TestCase(",\"mscale\":0.5,\"mscale_all_dim\":2", 1.0693147180559945 / 1.2772588722239782, true)]
    [TestCase(",\"mscale\":0.5", 1 + 0.13862943611198906, true)]
    [TestCase(",\"beta_fast\":16,\"beta_slow\":2", 1 + 0.13862943611198906, true, 16, 2)]
    [TestCase(",\"beta_fast\":null,\"beta_slow\":0", 1 + 0.13862943611198906, true)]
    public void Yarn_ramps_between_fast_and_slow_pairs(
        string more, double attentionFactor, bool truncate, double fast = 32, double slow = 1)
    {
        RopeConfig rope = Rope(
            "{\"rope_type\":\"yarn\",\"factor\":4,\"original_max_position_embeddings\":1024" + more + "}");
        Assert.That(rope.AttentionFactor, Is.EqualTo((float)attentionFactor).Within(1).Ulps);
        double low = PairThatTurns(fast);
        double high = PairThatTurns(slow);
        if (truncate)
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(0, low), Math.Min(HeadDim - 1, high));
        for (int pair = 0; pair < HeadDim / 2; pair++)
        {
            double stretched = pair <= low ? 0 : pair >= high ? 1 : (pair - low) / (high - low);
            AssertClose(rope, pair, PlainAt(pair) * (1 - stretched + stretched / 4));
        }
    }

    [Test]
    public void A_yarn_ramp_of_no_width_is_a_step()
    {
        double[] frequencies = RopeScaling.Yarn(8, 10_000, new YarnScaling(2, 4));
        Assert.That(frequencies, Is.All.GreaterThan(0));
        Assert.That(frequencies[0], Is.EqualTo(1));
        Assert.That(frequencies[1], Is.EqualTo(0.05).Within(1e-12));
    }

    [TestCase("{\"type\":\"yarn\",\"factor\":4,\"original_max_position_embeddings\":64}", 64, 256)]
    [TestCase("{\"type\":\"yarn\",\"factor\":4,\"original_max_position_embeddings\":16}", 64, 64)]
    [TestCase("{\"type\":\"dynamic\",\"factor\":4}", 64, 64)]
    [TestCase("{\"type\":\"dynamic\",\"factor\":4,\"original_max_position_embeddings\":16}", 64, 16)]
    [TestCase("{\"type\":\"linear\",\"factor\":4}", 64, 64)]
    public void Scaling_sets_how_many_positions_there_are(string scaling, int stated, int expected) =>
        Assert.That(
            TinyModel.Parse(
                "llama", ("rope_scaling", scaling), ("max_position_embeddings", $"{stated}")).MaxPositions,
            Is.EqualTo(expected));

    [Test]
    public void Dynamic_scaling_is_plain_as_far_as_the_model_is_served()
    {
        RopeConfig rope = Rope("{\"type\":\"dynamic\",\"factor\":4}");
        Assert.That(rope.InverseFrequencies, Is.EqualTo(Rope(null).InverseFrequencies));
    }

    [TestCase("{\"rope_type\":\"longrope\"}", "'longrope'")]
    [TestCase("{\"type\":\"mrope\"}", "yarn are")]
    [TestCase("{\"type\":\"linear\"}", "rope_scaling.factor is missing")]
    [TestCase("{\"type\":\"linear\",\"factor\":0}", "rope_scaling.factor is 0")]
    [TestCase("{\"type\":\"linear\",\"factor\":1e999}", "rope_scaling.factor")]
    [TestCase("{\"type\":3}", "rope_scaling.type is 3")]
    [TestCase(
        "{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":4,\"high_freq_factor\":4}", "above")]
    [TestCase("{\"rope_theta\":0}", "rope_theta is 0")]
    [TestCase("{\"full_attention\":{}}", "per layer type")]
    [TestCase("{\"partial_rotary_factor\":0.25}", "partial_rotary_factor is 0.25")]
    [TestCase("[]", "must be an object")]
    public void Rope_that_cannot_be_run_is_refused(string scaling, string part) =>
        TinyModel.AssertRefused(() => TinyModel.Parse("llama", ("rope_scaling", scaling)), part);

    private static RopeConfig Rope(string? scaling) => TinyModel.Parse(
        "llama", ("head_dim", $"{HeadDim}"), ("rope_theta", $"{Theta}"), ("rope_scaling", scaling)).Rope;

    private static double PlainAt(int pair) => Math.Pow(Theta, -2.0 * pair / HeadDim);

    /// <summary>The pair, as a real number, that turns a number of times over 1024 positions.</summary>
    private static double PairThatTurns(double turns) =>
        HeadDim / 2.0 * (Math.Log(1024) - Math.Log(2 * Math.PI * turns)) / Math.Log(Theta);

    private static void AssertClose(RopeConfig rope, int pair, double expected) =>
        Assert.That(rope.InverseFrequencies[pair], Is.EqualTo(expected).Within(1e-5).Percent, $"pair {pair}");
}
