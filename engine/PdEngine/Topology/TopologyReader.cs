using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace PdEngine;

/// <summary>Reads the grammar: services, their server groups, and the groups' overrides.</summary>
internal sealed class TopologyReader(string file)
{
    private const int MaxGroups = 4096;
    private const int MaxNameLetters = 128;

    private static readonly string[] ModelKeys =
        ["name", "model_path", "update_weights", "num_gpus_per_engine", "server_groups", "engine_groups"];

    private static readonly string[] GroupKeys = ["worker_type", "num_gpus", "num_gpus_per_engine",
        "overrides"];

    private readonly List<TopologyWarning> _warnings = [];
    private int _groupCount;

    public TopologyFile Read(YamlMappingNode root)
    {
        YamlNode? models = null;
        foreach ((string key, int line, YamlNode value) in Entries(root, "the file"))
        {
            if (key is not ("sglang" or "engines"))
            {
                string hint = NearestName.Of(key, ["sglang", "engines"], within: 2) is { } near
                    ? $"; did you mean '{near}'?" : "";
                _warnings.Add(new TopologyWarning(line, $"the top key '{key}' is not read{hint}"));
                continue;
            }
            if (models is not null)
                throw Fault(line, "'sglang' and 'engines' are two names of one key; give one of them");
            models = value;
        }
        if (models is null)
        {
            throw Fault(LineOf(root), "the top key 'sglang' is missing; wrap the list of models (or the "
                + "server_groups, inside one entry with a name) under 'sglang:'");
        }
        List<FileModel> read = [.. Items(models, "'sglang'").Select(ReadModel)];
        if (read.Count == 0)
            throw Fault(LineOf(models), "'sglang' lists no model");
        RefuseTwins(read);
        return new TopologyFile(file, LineOf(models), read, _warnings);
    }

    private void RefuseTwins(List<FileModel> models)
    {
        Dictionary<string, int> seen = [];
        foreach (FileModel model in models)
        {
            if (!seen.TryAdd(model.Name, model.Line))
            {
                throw Fault(model.Line, $"the name '{model.Name}' is taken by the model of line "
                    + $"{seen[model.Name]}; "
                    + "routers are found by name");
            }
        }
    }

    private FileModel ReadModel(YamlNode node)
    {
        YamlMappingNode map = Mapping(node, "a model");
        Dictionary<string, (int Line, YamlNode Value)> fields = Fields(map, ModelKeys, "a model");
        if (!fields.TryGetValue("name", out (int Line, YamlNode Value) named))
            throw Fault(LineOf(map), "a model has no 'name'");
        string name = Text(named.Value, "name");
        if (name.Length > MaxNameLetters || name.Any(char.IsControl) || string.IsNullOrWhiteSpace(name))
            throw Fault(named.Line, $"a name has 1 to {MaxNameLetters} letters, none of them a control "
                + "character");
        return new FileModel(name, LineOf(map), TextOrNone(fields, "model_path"), Switch(fields,
            "update_weights"),
            Whole(fields, "num_gpus_per_engine"), Groups(fields));
    }

    private List<FileGroup> Groups(Dictionary<string, (int Line, YamlNode Value)> fields)
    {
        // The first of the two names that lists anything counts, as slime has it.
        foreach (string key in new[] { "server_groups", "engine_groups" })
        {
            if (!fields.TryGetValue(key, out (int Line, YamlNode Value) listed) || IsNone(listed.Value))
                continue;
            List<FileGroup> groups = [.. Items(listed.Value, $"'{key}'").Select(ReadGroup)];
            if (groups.Count == 0)
                continue;
            if (key == "server_groups" && fields.TryGetValue("engine_groups", out (int Line,
                YamlNode Value) other))
                _warnings.Add(new TopologyWarning(other.Line,
                    "'engine_groups' is not read: 'server_groups' counts"));
            return groups;
        }
        return [];
    }

    private FileGroup ReadGroup(YamlNode node)
    {
        YamlMappingNode map = Mapping(node, "a server group");
        int line = LineOf(map);
        if (++_groupCount > MaxGroups)
            throw Fault(line, $"the file has more than {MaxGroups} server groups");
        Dictionary<string, (int Line, YamlNode Value)> fields = Fields(map, GroupKeys, "a server group");
        if (!fields.TryGetValue("worker_type", out (int Line, YamlNode Value) type))
            throw Fault(line, "a server group has no 'worker_type'");
        int devices = Whole(fields, "num_gpus") ?? throw Fault(line, "a server group has no 'num_gpus'");
        return new FileGroup(line, Role(Text(type.Value, "worker_type"), type.Line), devices,
            Whole(fields, "num_gpus_per_engine"), Overrides(fields));
    }

    private WorkerType Role(string word, int line)
    {
        string[] names = ["regular", "prefill", "decode", "placeholder", "encoder"];
        int index = Array.IndexOf(names, word);
        if (index >= 0)
            return (WorkerType)index;
        string hint = NearestName.Of(word, names, within: 2) is { } near ? $"; did you mean '{near}'?" : "";
        throw Fault(line, $"worker_type '{Short(word)}' is none of {string.Join(", ", names)}{hint}");
    }

    private List<FileOverride> Overrides(Dictionary<string, (int Line, YamlNode Value)> fields)
    {
        List<FileOverride> read = [];
        if (!fields.TryGetValue("overrides", out (int Line, YamlNode Value) given) || IsNone(given.Value))
            return read;
        Dictionary<string, int> seen = [];
        foreach ((string written, int line, YamlNode value) in Entries(Mapping(given.Value, "'overrides'"),
            "'overrides'"))
        {
            string key = written.Replace('-', '_');
            if (OverrideTable.Find(key) is not { } rule)
            {
                string hint = OverrideTable.Nearest(key) is { } near ? $"; did you mean '{near}'?" : "";
                throw Fault(line, $"no override is called '{Short(written)}'{hint}");
            }
            if (!seen.TryAdd(key, line))
                throw Fault(line, $"'{key}' was given on line {seen[key]} already");
            if (key != written)
                _warnings.Add(new TopologyWarning(line, $"'{written}' is read as '{key}'"));
            OverrideValue plain = Value(value);
            if (rule.FaultOf(plain) is { } fault)
                throw Fault(line, fault);
            read.Add(new FileOverride(key, plain, line));
        }
        return read;
    }

    private static OverrideValue Value(YamlNode node) => node switch
    {
        YamlScalarNode { Style: ScalarStyle.Plain } scalar => ScalarText.Plain(scalar.Value ?? ""),
        YamlScalarNode scalar => OverrideValue.Of(scalar.Value ?? ""),
        YamlSequenceNode list => new OverrideValue(OverrideKind.List, $"[{string.Join(", ", list.Children
            .Take(64).Select(child => child is YamlScalarNode word ? word.Value : "..."))}]"),
        _ => new OverrideValue(OverrideKind.List, "{...}"),
    };

    private Dictionary<string, (int Line, YamlNode Value)> Fields(YamlMappingNode map, string[] known,
        string owner)
    {
        Dictionary<string, (int Line, YamlNode Value)> fields = [];
        foreach ((string key, int line, YamlNode value) in Entries(map, owner))
        {
            if (!known.Contains(key))
            {
                string hint = NearestName.Of(key, known, within: 3) is { } near ? $"; did you mean '{near}'?"
                    : OverrideTable.Find(key.Replace('-', '_')) is not null
                        ? "; it belongs under 'overrides'" : "";
                throw Fault(line, $"{owner} has no field '{Short(key)}'{hint}");
            }
            fields.Add(key, (line, value));
        }
        return fields;
    }

    private IEnumerable<(string Key, int Line, YamlNode Value)> Entries(YamlMappingNode map, string owner)
    {
        foreach (KeyValuePair<YamlNode, YamlNode> entry in map.Children)
        {
            string key = (entry.Key as YamlScalarNode)?.Value ?? throw Fault(LineOf(entry.Key),
                $"{owner} has a bad key");
            if (key == "<<")
                throw Fault(LineOf(entry.Key), "merge keys are not read; write the keys out");
            yield return (key, LineOf(entry.Key), entry.Value);
        }
    }

    private YamlMappingNode Mapping(YamlNode node, string what) =>
        node as YamlMappingNode ?? throw Fault(LineOf(node), $"{what} must be a mapping of names to values");

    private IList<YamlNode> Items(YamlNode node, string what) =>
        (node as YamlSequenceNode ?? throw Fault(LineOf(node),
            $"{what} must be a list (lines that start with '- ')"))
        .Children;

    private string Text(YamlNode node, string key) => node is YamlScalarNode scalar && !IsNone(scalar)
        ? scalar.Value! : throw Fault(LineOf(node), $"'{key}' needs a text");

    private string? TextOrNone(Dictionary<string, (int Line, YamlNode Value)> fields, string key) =>
        fields.TryGetValue(key, out (int Line, YamlNode Value) field) && !IsNone(field.Value)
            && Text(field.Value, key) is { Length: > 0 } text ? text : null;

    private int? Whole(Dictionary<string, (int Line, YamlNode Value)> fields, string key)
    {
        if (!fields.TryGetValue(key, out (int Line, YamlNode Value) field) || IsNone(field.Value))
            return null;
        OverrideValue value = Value(field.Value);
        if (value.Kind is not OverrideKind.Int)
            throw Fault(field.Line, $"'{key}' needs a whole number without quotes, not "
                + $"'{Short(value.Text)}'");
        return value.Number is >= 1 and <= TopologyResolver.MaxDevices ? (int)value.Number :
            throw Fault(field.Line,
            $"'{key}' must be from 1 to "
                + $"{TopologyResolver.MaxDevices.ToString(CultureInfo.InvariantCulture)}, "
            + $"not {value.Text}");
    }

    private bool? Switch(Dictionary<string, (int Line, YamlNode Value)> fields, string key)
    {
        if (!fields.TryGetValue(key, out (int Line, YamlNode Value) field) || IsNone(field.Value))
            return null;
        OverrideValue value = Value(field.Value);
        return value.Kind is OverrideKind.Bool ? value.IsTrue
            : throw Fault(field.Line, $"'{key}' needs true or false, not '{Short(value.Text)}'");
    }

    private static bool IsNone(YamlNode node) => node is YamlScalarNode { Style: ScalarStyle.Plain } scalar
        && ScalarText.Plain(scalar.Value ?? "").Kind is OverrideKind.None;

    private static string Short(string text) => text.Length > 60 ? text[..60] + "..." : text;

    private static int LineOf(YamlNode node) => Math.Max(1, (int)node.Start.Line);

    private TopologyException Fault(int line, string problem) => new(file, line, problem);
}
