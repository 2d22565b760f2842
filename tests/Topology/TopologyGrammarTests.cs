namespace PdEngine.Tests;

/// <summary>The grammar of the file, its defaults, and what it refuses.</summary>
public sealed class TopologyGrammarTests
{
    [Test]
    public void Slimes_example_resolves_to_two_prefill_and_three_decode_workers()
    {
        Topology plan = Plans.Of(Plans.Slime, new TopologyFlags { RolloutNumGpus = 16, CoreCount = 64 });
        ServedModel actor = plan.Models.Single();
        Assert.That(plan.DeviceCount, Is.EqualTo(16));
        Assert.That((actor.Name, actor.UpdateWeights, actor.IsDisaggregated),
            Is.EqualTo(("actor", true, true)));
        Assert.That(actor.Groups.Select(group => group.WorkerType),
            Is.EqualTo(new[] { WorkerType.Prefill, WorkerType.Decode }));
        Assert.That(actor.Groups.SelectMany(group => group.Workers).Select(worker => string.Join(",",
            worker.Devices)),
            Is.EqualTo(new[] { "0,1", "2,3", "4,5,6,7", "8,9,10,11", "12,13,14,15" }));
        Assert.That(actor.Groups.SelectMany(group => group.Workers).Select(worker => worker.Index),
            Is.EqualTo(new[] { 0, 1, 2, 3, 4 }));
        Assert.That(actor.Groups.Select(group => group.Settings.TpSize), Is.EqualTo(new[] { 2, 4 }));
        Assert.That(actor.Groups[0].Settings.ChunkedPrefillSize, Is.EqualTo(8192));
        Assert.That(actor.Groups[1].Settings.MemFractionStatic, Is.EqualTo(0.88));
        Assert.That(plan.Warnings, Is.Empty);
        Assert.That(plan.NotYet, Is.Empty);
    }

    [TestCase("models: []", 1, "'sglang' is missing")]
    [TestCase("server_groups:\n  - worker_type: regular\n    num_gpus: 1", 1, "wrap")]
    [TestCase("sglang: []", 1, "no model")]
    [TestCase("sglang:\n  name: m", 2, "list")]
    [TestCase("sglang:\n  - 4", 2, "mapping")]
    [TestCase("sglang:\n  - server_groups: []", 2, "'name'")]
    [TestCase("sglang:\n  - name: ''", 2, "name")]
    [TestCase("sglang:\n  - name: [a]", 2, "text")]
    [TestCase("sglang:\n  - name: a\n  - name: b\n  - name: a", 4, "taken by the model of line 2")]
    [TestCase("sglang:\n  - name: a\nengines:\n  - name: b", 3, "two names")]
    [TestCase("sglang:\n  - name: a\n    num_gpu_per_engine: 2", 3, "did you mean 'num_gpus_per_engine'")]
    [TestCase("sglang:\n  - name: a\n    update_weights: maybe", 3, "true or false")]
    [TestCase("sglang:\n  - name: a\n    server_groups: 3", 3, "list")]
    [TestCase("sglang:\n  - name: a\n    page_size: 3", 3, "belongs under 'overrides'")]
    public void A_bad_model_is_refused_with_its_line(string yaml, int line, string words)
    {
        TopologyException fault = Plans.FaultOf(yaml);
        Assert.That(fault.Message, Does.Contain(words).And.StartsWith($"plan.yaml:{line}: "));
        Assert.That(fault.Line, Is.EqualTo(line));
    }

    [TestCase("sglang:\n  - name: a\n   b: 1", "is not YAML: an item of the list")]
    [TestCase("sglang: [1, 2", "is not YAML: a list in [ ]")]
    [TestCase("sglang: {a: 1", "is not YAML: a mapping in { }")]
    [TestCase("sglang: 'a", "is not YAML: a text in quotes")]
    [TestCase("sglang: *b", "is not YAML: an alias")]
    [TestCase("a: b: c", "is not YAML: a ':' stands")]
    [TestCase("sglang:\n  - name: \"a\\q\"", "is not YAML: a text in double quotes")]
    [TestCase("sglang: @a", "is not YAML: ")]
    [TestCase("a\nb: c", "is not YAML: ")]
    [TestCase("sglang: 1\nsglang: 2", "give each key once")]
    public void What_is_no_yaml_is_refused_in_our_words(string yaml, string words)
    {
        string message = Plans.FaultOf(yaml).Message;
        Assert.That(message, Does.Contain(words).And.Not.Contain("While "));
    }

    [TestCase("- num_gpus: 2", 4, "'worker_type'")]
    [TestCase("- worker_type: regular", 4, "'num_gpus'")]
    [TestCase("- {worker_type: regular, num_gpus: 0}", 4, "from 1 to")]
    [TestCase("- {worker_type: regular, num_gpus: -2}", 4, "from 1 to")]
    [TestCase("- {worker_type: regular, num_gpus: 99999999999999}", 4, "from 1 to")]
    [TestCase("- {worker_type: regular, num_gpus: 1.5}", 4, "whole number")]
    [TestCase("- {worker_type: regular, num_gpus: '2'}", 4, "whole number")]
    [TestCase("- {worker_type: regular, num_gpus: true}", 4, "whole number")]
    [TestCase("- {worker_type: regular, num_gpus: 010}", 4, "whole number")]
    [TestCase("- {worker_type: regular, num_gpus: 4, num_gpus_per_engine: 0}", 4, "from 1 to")]
    [TestCase("- {worker_type: regular, num_gpus: 5, num_gpus_per_engine: 2}", 4, "no multiple")]
    [TestCase("- {worker_type: encoder, num_gpus: 5, num_gpus_per_engine: 2}", 4, "no multiple")]
    [TestCase("- {worker_type: prefil, num_gpus: 2}", 4, "did you mean 'prefill'")]
    [TestCase("- {worker_type: regular, num_gpu: 2}", 4, "did you mean 'num_gpus'")]
    [TestCase("- {worker_type: regular, num_gpus: 2, overrides: 3}", 4, "mapping")]
    [TestCase("- {worker_type: prefill, num_gpus: 2}", 4, "no decode group")]
    [TestCase("- {worker_type: decode, num_gpus: 2}", 4, "no prefill group")]
    [TestCase("- {worker_type: prefill, num_gpus: 2}\n      - {worker_type: decode, num_gpus: 2}\n"
        + "      - {worker_type: regular, num_gpus: 2}", 6, "mixes regular")]
    public void A_bad_group_is_refused_with_its_line(string groups, int line, string words)
    {
        TopologyException fault = Plans.FaultOf($"sglang:\n  - name: m\n    server_groups:\n      "
            + $"{groups}\n");
        Assert.That(fault.Message, Does.Contain(words));
        Assert.That(fault.Line, Is.EqualTo(line));
    }

    [TestCase("sglang", "server_groups")]
    [TestCase("sglang", "engine_groups")]
    [TestCase("engines", "server_groups")]
    public void Both_names_of_a_list_are_read(string top, string groups)
    {
        Topology plan = Plans.Of($"{top}:\n  - name: m\n    {groups}:\n      - {{worker_type: regular, "
            + $"num_gpus: 3}}");
        Assert.That(Plans.OnlyGroup(plan).Workers, Has.Count.EqualTo(3));
    }

    [TestCase("server_groups: []\n    engine_groups", 3, 0)]
    [TestCase("engine_groups: [{worker_type: regular, num_gpus: 1}]\n    server_groups", 3, 1)]
    public void The_first_list_that_holds_a_group_counts(string before, int devices, int warnings)
    {
        Topology plan = Plans.Of($"sglang:\n  - name: m\n    {before}: [{{worker_type: regular, num_gpus: "
            + $"3}}]");
        Assert.That(plan.DeviceCount, Is.EqualTo(devices));
        Assert.That(plan.Warnings, Has.Count.EqualTo(warnings));
    }

    [TestCase("")]
    [TestCase("    server_groups: []\n")]
    [TestCase("    server_groups:\n")]
    public void A_model_may_be_a_router_alone(string groups)
    {
        Topology plan = Plans.Of($"sglang:\n  - name: m\n{groups}");
        Assert.That(plan.Models.Single().Groups, Is.Empty);
        Assert.That(plan.DeviceCount, Is.Zero);
    }

    [Test]
    public void Devices_per_worker_come_from_the_group_then_the_model_then_the_flag()
    {
        const string Yaml = """
            sglang:
              - name: a
                num_gpus_per_engine: 2
                server_groups:
                  - {worker_type: regular, num_gpus: 4}
                  - {worker_type: regular, num_gpus: 4, num_gpus_per_engine: 4}
              - name: b
                server_groups:
                  - {worker_type: regular, num_gpus: 8}
            """;
        Topology plan = Plans.Of(Yaml, new TopologyFlags { RolloutNumGpusPerEngine = 8, CoreCount = 64 });
        Assert.That(plan.Models.SelectMany(model => model.Groups).Select(group => group.DevicesPerWorker),
            Is.EqualTo(new[] { 2, 4, 8 }));
        Assert.That(Plans.OnlyGroup(Plans.Of(Plans.Regular(3))).DevicesPerWorker, Is.EqualTo(1));
    }

    [Test]
    public void The_checkpoint_comes_from_the_group_then_the_model_then_the_flag()
    {
        const string Yaml = """
            sglang:
              - name: a
                model_path: /of/model
                server_groups:
                  - {worker_type: regular, num_gpus: 1, overrides: {model_path: /of/group}}
              - name: b
                model_path: /of/model
                server_groups: [{worker_type: regular, num_gpus: 1}]
              - name: c
                server_groups: [{worker_type: regular, num_gpus: 1}]
              - name: d
                model_path: /of/flag
            """;
        Topology plan = Plans.Of(Yaml, new TopologyFlags { HfCheckpoint = "/of/flag", CoreCount = 64 });
        Assert.That(plan.Models.Select(model => model.ModelPath),
            Is.EqualTo(new[] { "/of/group", "/of/model", "/of/flag", "/of/flag" }));
        Assert.That(plan.Models.Select(model => model.UpdateWeights), Is.EqualTo(new[] { false, false, true,
            true }));
        Assert.That(plan.Warnings.Select(warning => warning.Line), Is.EqualTo(new int?[] { 2, 6 }));
    }

    [Test]
    public void Groups_of_one_model_with_two_checkpoints_are_refused()
    {
        const string Yaml = """
            sglang:
              - name: a
                server_groups:
                  - {worker_type: regular, num_gpus: 1, overrides: {model_path: /one}}
                  - {worker_type: regular, num_gpus: 1}
            """;
        TopologyException fault = Plans.FaultOf(Yaml, new TopologyFlags { HfCheckpoint = "/two" });
        Assert.That(fault.Message, Does.Contain("/one").And.Contain("/two"));
        Assert.That(fault.Line, Is.EqualTo(5));
    }

    [TestCase("true", true)]
    [TestCase("false", false)]
    [TestCase("yes", true)]
    [TestCase("~", true)]
    public void Update_weights_is_taken_as_written_else_inferred(string written, bool expected)
    {
        Topology plan = Plans.Of($"sglang:\n  - name: m\n    update_weights: {written}\n");
        Assert.That(plan.Models.Single().UpdateWeights, Is.EqualTo(expected));
        Assert.That(plan.Warnings, Is.Empty);
    }

    [Test]
    public void A_placeholder_reserves_devices_and_makes_no_worker()
    {
        const string Yaml = """
            sglang:
              - name: m
                num_gpus_per_engine: 2
                server_groups:
                  - {worker_type: placeholder, num_gpus: 3}
                  - {worker_type: regular, num_gpus: 2}
            """;
        Topology plan = Plans.Of(Yaml);
        Assert.That(plan.DeviceCount, Is.EqualTo(5));
        Assert.That(plan.Models[0].Groups[0].Workers, Is.Empty);
        Assert.That(plan.Models[0].Groups[1].Workers.Single().Devices, Is.EqualTo(new[] { 3, 4 }));
    }

    [Test]
    public void Encoder_groups_are_listed_and_not_refused()
    {
        Topology plan = Plans.Of(Plans.Model("encoder", 1) + "      - {worker_type: regular, num_gpus: 1}\n");
        Assert.That(plan.Models.Single().HasEncoders, Is.True);
        TopologyNotYet item = plan.NotYet.Single();
        Assert.That((item.ChangesResults, item.Line), Is.EqualTo((true, (int?)4)));
        Assert.That(item.What, Does.Contain("encoder"));
    }

    [Test]
    public void Several_services_have_devices_of_their_own_and_one_is_picked_by_name()
    {
        const string Yaml = """
            sglang:
              - {name: ref, update_weights: false, server_groups: [{worker_type: regular, num_gpus: 2}]}
              - {name: actor, server_groups: [{worker_type: regular, num_gpus: 3}]}
            """;
        Topology plan = Plans.Of(Yaml);
        Assert.That(plan.Models.Select(model => model.Groups[0].FirstDevice), Is.EqualTo(new[] { 0, 2 }));
        Assert.That(plan.Service(null).Name, Is.EqualTo("actor"));
        Assert.That(plan.Service("ref").Name, Is.EqualTo("ref"));
        Assert.That(Assert.Throws<OptionsException>(() => plan.Service("judge"))!.Message,
            Does.Contain("ref, actor"));
    }

    [Test]
    public void An_unread_top_key_is_a_warning()
    {
        Topology plan = Plans.Of("sglan: 3\nsglang:\n  - name: m\n");
        Assert.That(plan.Warnings.Single().Text, Does.Contain("did you mean 'sglang'"));
        Assert.That(plan.Warnings.Single().Line, Is.EqualTo(1));
    }

    [Test]
    public void Groups_may_be_written_once_and_named_again()
    {
        Topology plan = Plans.Of("sglang:\n  - name: a\n    server_groups: &g\n      - {worker_type: "
            + "regular, num_gpus: 1}\n"
            + "  - name: b\n    server_groups: *g\n");
        Assert.That(plan.DeviceCount, Is.EqualTo(2));
    }
}
