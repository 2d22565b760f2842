namespace PdEngine;

/// <summary><c>for target in source if condition</c>, with its <c>else</c>.</summary>
internal sealed class JinjaFor(
    int line, JinjaTarget target, JinjaExpression source, JinjaExpression? condition, JinjaBlock body,
    JinjaBlock? otherwise) : JinjaStatement(line)
{
    protected override JinjaFlow Execute(JinjaContext context)
    {
        JinjaScope outer = context.Scope;
        JinjaValue[] items = context.Items(source.Evaluate(context));
        JinjaLoop loop = new(items, condition is null ? null : item => IsWanted(context, outer, item));
        bool finishedOne = false;
        while (loop.TryAdvance(out JinjaValue item))
        {
            context.Charge(1);
            JinjaScope scope = new(outer);
            scope.Set("loop", JinjaValue.Object(loop));
            target.Assign(context, scope, item);
            JinjaFlow flow = body.RunScoped(context, scope);
            if (flow == JinjaFlow.Break)
                break;
            // jinja2 clears its mark at the end of the body, so 'continue' and 'break' leave 'else' to run.
            finishedOne |= flow == JinjaFlow.Next;
        }
        if (!finishedOne && otherwise is not null)
            return otherwise.RunScoped(context, new JinjaScope(outer));
        return JinjaFlow.Next;
    }

    private bool IsWanted(JinjaContext context, JinjaScope outer, JinjaValue item)
    {
        JinjaScope before = context.Scope;
        JinjaScope scope = new(outer);
        target.Assign(context, scope, item);
        context.Scope = scope;
        bool wanted = condition!.Evaluate(context).IsTrue;
        context.Scope = before;
        return wanted;
    }
}
