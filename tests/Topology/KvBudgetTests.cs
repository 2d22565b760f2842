namespace PdEngine.Tests;

/// <summary>How free memory becomes KV blocks. Blocks here are 1000 bytes of 16 positions.</summary>
public sealed class KvBudgetTests
{
    private static readonly KvShare Plain = new(1, null, null);

    private static KvBudget Budget(long memory = 1_000_000, int devices = 1, long weights = 0) => new()
    {
        MemoryBytes = memory, DeviceCount = devices, WeightBytes = weights, BlockBytes = 1000, PageSize = 16,
        MemFractionStatic = 0.8,
    };

    [TestCase(0, 250, Description = "a quarter of free memory")]
    [TestCase(200_000, 200, Description = "a quarter of what the weights leave")]
    [TestCase(750_000, 50, Description = "where that is over the static fraction: the fraction's rest")]
    public void One_worker_without_limits_takes_a_quarter_of_what_is_free(long weights, int blocks) =>
        Assert.That(Budget(weights: weights).Blocks([Plain]), Is.EqualTo(blocks));

    [Test]
    public void Workers_share_one_pool_by_their_devices()
    {
        Assert.That(Budget(devices: 4).Blocks([Plain, Plain, Plain, Plain]), Is.EqualTo(250));
        Assert.That(Budget(devices: 4).Blocks([new KvShare(2, null, null), Plain]), Is.EqualTo(187),
            "a reserved device keeps its part");
        Assert.That(Budget(devices: 16).Blocks([Plain]), Is.EqualTo(15));
    }

    [TestCase(0.5, 500, 0)]
    [TestCase(0.5, 300, 200_000)]
    [TestCase(1.0, 900, 100_000)]
    [TestCase(0.1, 100, 0)]
    public void A_fraction_of_a_groups_own_is_taken_whole(double fraction, int blocks, long weights) =>
        Assert.That(Budget(weights: weights).Blocks([new KvShare(1, fraction, null)]), Is.EqualTo(blocks));

    [Test]
    public void Fractions_are_of_each_workers_own_devices()
    {
        // As in slime's example: 4 devices prefill, 12 decode at 0.88.
        KvShare[] workers = [new(2, null, null), new(2, null, null), .. Enumerable.Repeat(
            new KvShare(4, 0.88, null), 3)];
        Assert.That(Budget(devices: 16).Blocks(workers), Is.EqualTo(62 + 660).Within(1));
    }

    [TestCase(1, 1)]
    [TestCase(16, 1)]
    [TestCase(17, 2)]
    [TestCase(1600, 100)]
    [TestCase(12_800, 800)]
    public void A_quota_is_rounded_up_to_blocks(int tokens, int blocks) =>
        Assert.That(Budget().Blocks([new KvShare(1, null, tokens)]), Is.EqualTo(blocks));

    [Test]
    public void Where_all_workers_have_quotas_the_pool_is_their_sum() =>
        Assert.That(Budget(devices: 2).Blocks([new KvShare(1, null, 160), new(1, 0.5, 1601)]),
            Is.EqualTo(10 + 101));

    [Test]
    public void A_worker_without_quota_takes_its_part_beside_those_with_one()
    {
        Assert.That(Budget(devices: 2).Blocks([new KvShare(1, null, 1600), Plain]), Is.EqualTo(100 + 125));
        Assert.That(Budget(devices: 2).Blocks([new KvShare(1, null, 12_000), Plain]), Is.EqualTo(750 + 50),
            "no more than the static fractions leave");
    }

    [Test]
    public void Each_domain_has_a_pool_and_bears_its_part_of_the_weights()
    {
        KvBudget budget = Budget(devices: 4, weights: 400_000);
        Assert.That(budget.Blocks([[new KvShare(1, 0.8, null)], [new KvShare(3, 0.8, null)]]),
            Is.EqualTo(new[] { 100, 300 }));
        Assert.That(budget.Blocks([[new KvShare(1, null, 160)], [new KvShare(3, null, 320)]]),
            Is.EqualTo(new[] { 10, 20 }));
    }

    [TestCase(12_816, null, 0, "801 blocks in 800")]
    [TestCase(int.MaxValue, null, 0, "far over")]
    [TestCase(1600, 0.05, 0, "over the fraction")]
    [TestCase(null, null, 800_000, "weights alone fill the fraction")]
    [TestCase(null, 0.0005, 0, "not one block")]
    [TestCase(16, null, 999_999, "weights over the fraction")]
    public void What_cannot_fit_is_refused_with_the_numbers(
        int? tokens, double? fraction, long weights, string why)
    {
        BackendException refusal = Assert.Throws<BackendException>(
            () => Budget(weights: weights).Blocks([new KvShare(1, fraction, tokens)]), why)!;
        Assert.That(refusal.Message, Does.Contain("max_total_tokens").And.Contain("mem_fraction_static")
            .And.Contain($"{Shown.Bytes(weights)} of weights").And.Contain("1 of 1 devices"));
    }

    [Test]
    public void Huge_memory_gives_no_more_blocks_than_positions_can_be_numbered() =>
        Assert.That(Budget(memory: long.MaxValue).Blocks([new KvShare(1, 1, null)]),
            Is.EqualTo(int.MaxValue / 16));

    [Test]
    public void A_quota_of_the_group_goes_before_the_engines()
    {
        Topology plan = Plans.Of(Plans.Model("prefill", 4, "num_gpus_per_engine: 2", "overrides:",
            "  max_total_tokens: 64") + "      - {worker_type: placeholder, num_gpus: 3}\n"
            + "      - {worker_type: decode, num_gpus: 1, overrides: {mem_fraction_static: 0.5}}\n");
        EngineOptions options = new() { ModelPath = "m", MaxTotalTokens = 32 };
        Assert.That(KvShare.Of(plan.Service(null), options), Is.EqualTo(new KvShare[]
        {
            new(2, null, 64), new(2, null, 64), new(1, 0.5, 32),
        }));
    }
}
