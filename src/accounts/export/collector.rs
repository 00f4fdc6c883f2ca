//! From objects in any order to users: keeps what matters of each, and puts it together once all are there.

use super::fault::{Fault, Position, shown};
use super::object::{Key, Object, Reference, Value};
use super::text::DUMP;
use super::users::{FtpGroup, StoredAccount, StoredUser, Users};
use crate::accounts::user::FieldNames;
use std::collections::{BTreeMap, HashMap};

const USER: &str = "auth.user";
const GROUP: &str = "auth.group";
const FTP_GROUP: &str = "django_ftpserver.ftpusergroup";
const FTP_ACCOUNT: &str = "django_ftpserver.ftpuseraccount";
const FTP: &str = "django_ftpserver.";

/// Models beside the known one whose objects are kept until the end, because they may be users.
const MOST_MODELS: usize = 16;
/// Bytes that an object takes at most, or something that it refers to, beside its texts.
const THING: usize = 256;
/// Bytes that an item of a list takes.
const ITEM: usize = 8;

/// Takes objects.
pub(super) struct Collector<'n> {
    names: &'n FieldNames,
    /// By name.
    models: BTreeMap<Box<str>, Model>,
    groups: Vec<Group>,
    ftp_groups: Vec<FtpGroup>,
    ftp_group_references: References,
    accounts: Vec<PendingAccount>,
    has_ftp_objects: bool,
    room: Room,
}

/// Bytes of memory that may still be taken.
struct Room(usize);

/// Users of a model that may be the site's user model.
#[derive(Default)]
struct Model {
    users: Vec<StoredUser>,
    groups: References,
    /// The first thing that is wrong with them, which matters if they are the site's users.
    fault: Option<Fault>,
}

struct Group {
    position: Position,
    key: Option<Key>,
    name: Box<str>,
}

struct PendingAccount {
    user: Reference,
    stored: StoredAccount,
}

/// Numbers for references, which are few; each with the first object that has it.
#[derive(Default)]
struct References {
    numbers: HashMap<Reference, u32>,
    first: Vec<Position>,
}

impl Room {
    /// For something with so many bytes of text, each of which may be held twice while all is put together.
    fn take(&mut self, beside: usize, text: usize) -> Result<(), String> {
        let left = self.0.checked_sub(beside + 2 * text);
        self.0 = left.unwrap_or(0);
        left.map(drop).ok_or_else(|| {
            format!("users and groups up to here take more than 512 MiB of memory; dump no more than is needed: {DUMP}")
        })
    }
}

impl References {
    fn number(&mut self, reference: Reference, position: Position, room: &mut Room) -> Result<u32, String> {
        let next = count(self.first.len());
        let size = reference.size();
        let number = *self.numbers.entry(reference).or_insert(next);
        if number == next {
            room.take(THING, size)?;
            self.first.push(position);
        }
        Ok(number)
    }

    /// What they refer to, by their numbers; or the first object that refers to nothing, with its reference.
    fn resolve<T>(&self, find: impl Fn(&Reference) -> Option<T>) -> Result<Vec<T>, (Position, &Reference)> {
        let mut sorted: Vec<(&Reference, u32)> =
            self.numbers.iter().map(|(reference, number)| (reference, *number)).collect();
        sorted.sort_by_key(|(_, number)| *number);
        let places = sorted.into_iter().zip(&self.first);
        places.map(|((reference, _), position)| find(reference).ok_or((*position, reference))).collect()
    }
}

impl<'n> Collector<'n> {
    /// Takes objects with these names, for so many bytes of memory.
    pub fn new(names: &'n FieldNames, memory: usize) -> Collector<'n> {
        Collector {
            names,
            models: BTreeMap::new(),
            groups: Vec::new(),
            ftp_groups: Vec::new(),
            ftp_group_references: References::default(),
            accounts: Vec::new(),
            has_ftp_objects: false,
            room: Room(memory),
        }
    }

    /// The fields that are looked at.
    pub fn wanted(names: &'n FieldNames) -> Vec<&'n str> {
        let FieldNames { user_table: _, username, password, active, superuser } = names;
        let mut wanted = vec!["groups", "name", "permission", "home_dir", "user", "group"];
        wanted.extend([&**username, &**password, &**active, &**superuser]);
        wanted
    }

    /// Keeps what matters of an object.
    pub fn take(&mut self, mut object: Object, position: Position) -> Result<(), Fault> {
        let result = match object.model.clone() {
            Value::Text(model) => self.sort_in(model, &mut object, position),
            other => Err(other.is_not("model", "a text; each object that dumpdata writes has one")),
        };
        result.map_err(|why| Fault::new(why).at(format!("{position} ({})", object.label())))
    }

    fn sort_in(&mut self, model: Box<str>, object: &mut Object, position: Position) -> Result<(), String> {
        self.has_ftp_objects |= model.starts_with(FTP);
        let (text, items) = object.size();
        match &*model {
            GROUP => self.groups.push(Group { position, key: object.key()?, name: object.text("name")? }),
            FTP_GROUP => self.ftp_groups.push(ftp_group(object, position)?),
            FTP_ACCOUNT => {
                let account = self.account(object, position)?;
                self.accounts.push(account);
            }
            _ if self.is_user_model(&model) => {
                self.models.entry(model).or_default().take(object, position, self.names, &mut self.room)?;
            }
            _ if self.may_be_user(&model, object) => {
                let model = self.models.entry(model).or_default();
                if let Err(why) = model.take(object, position, self.names, &mut self.room) {
                    let place = format!("{position} ({})", object.label());
                    model.fault.get_or_insert(Fault::new(why).at(place));
                }
            }
            _ => return Ok(()),
        }
        self.room.take(THING + ITEM * items, text)
    }

    fn account(&mut self, object: &mut Object, position: Position) -> Result<PendingAccount, String> {
        let Some(Key::Number(id)) = object.key()? else { return Err("pk is not a whole number".to_string()) };
        let group = self.ftp_group_references.number(object.reference("group")?, position, &mut self.room)?;
        let stored = StoredAccount { position, id, group, home: home(object)? };
        Ok(PendingAccount { user: object.reference("user")?, stored })
    }

    /// Whether it is known that objects of this model are the users.
    fn is_user_model(&self, model: &str) -> bool {
        match &self.names.user_table {
            // The table that Django makes for a model, if nobody says anything.
            Some(table) => model.replacen('.', "_", 1).eq_ignore_ascii_case(&table.replacen('.', "_", 1)),
            None => model == USER,
        }
    }

    fn may_be_user(&self, model: &str, object: &Object) -> bool {
        let FieldNames { user_table, username, password, .. } = self.names;
        let has_place = self.models.len() < MOST_MODELS || self.models.contains_key(model);
        user_table.is_none() && has_place && object.has_text(username) && object.has_text(password)
    }

    /// Puts it all together.
    pub fn finish(mut self) -> Result<Users, Fault> {
        let (name, mut model) = self.user_model()?;
        if let Some(fault) = model.fault {
            return Err(fault);
        }
        let groups = self.group_names(&name, &model)?;
        model.users.shrink_to_fit();
        model.users.sort_by(|one, other| one.username.cmp(&other.username));
        let mut users = Users { users: model.users, groups, has_ftp_objects: self.has_ftp_objects, ..Users::default() };
        check_names(&users, &name)?;
        self.resolve_ftp_groups()?;
        users.accounts = attach(self.accounts, &mut users.users, &name)?;
        users.ftp_groups = self.ftp_groups;
        Ok(users)
    }

    /// The model that the users are of, with its name.
    fn user_model(&mut self) -> Result<(Box<str>, Model), Fault> {
        let known = self.models.keys().find(|model| self.is_user_model(model)).cloned();
        if let Some(model) = known.and_then(|name| self.models.remove_entry(&name)) {
            return Ok(model);
        }
        let FieldNames { user_table, username, password, .. } = self.names;
        if let Some(table) = user_table {
            let table = shown(table);
            return Err(Fault::new(format!(
                "it has no users of {table}; add their model to those that dumpdata names"
            )));
        }
        if self.models.len() > 1 {
            let names: Vec<String> = self.models.keys().map(|model| shown(model)).collect();
            let names = names.join(" and ");
            return Err(Fault::new(format!("it may have users in {names}; say which with user_table")));
        }
        self.models.pop_first().ok_or_else(|| {
            let fields = format!("{} and {}", shown(username), shown(password));
            Fault::new(format!("it has no users: no auth.user, and nothing else with {fields}; write it with {DUMP}"))
        })
    }

    /// Names of the groups that users refer to.
    fn group_names(&self, name: &str, model: &Model) -> Result<Vec<Box<str>>, Fault> {
        let mut by_key = HashMap::new();
        for group in &self.groups {
            if let Some(key) = &group.key
                && let Some(other) = by_key.insert(key, group)
            {
                return Err(twice(GROUP, &format!("pk {key}"), other.position, group.position));
            }
        }
        let find = |reference: &Reference| match reference {
            Reference::Key(key) => by_key.get(key).map(|group| group.name.clone()),
            Reference::Name(name) => Some(name.clone()),
        };
        model.groups.resolve(find).map_err(|(position, reference)| missing(position, name, GROUP, reference))
    }

    /// Gives each account the index of its group.
    fn resolve_ftp_groups(&mut self) -> Result<(), Fault> {
        let (mut by_key, mut by_name) = (HashMap::new(), HashMap::new());
        for (index, group) in self.ftp_groups.iter().enumerate() {
            let position = |index: usize| self.ftp_groups.get(index).map(|group| group.position).unwrap_or_default();
            let repeated = |what: String, other: usize| twice(FTP_GROUP, &what, position(other), group.position);
            if let Some(key) = &group.key
                && let Some(other) = by_key.insert(key, index)
            {
                return Err(repeated(format!("pk {key}"), other));
            }
            if let Some(other) = by_name.insert(&group.name, index) {
                return Err(repeated(format!("name {}", shown(&group.name)), other));
            }
        }
        let find = |reference: &Reference| match reference {
            Reference::Key(key) => by_key.get(key).copied(),
            Reference::Name(name) => by_name.get(name).copied(),
        };
        let resolved = self.ftp_group_references.resolve(find);
        let groups = resolved.map_err(|(position, reference)| missing(position, FTP_ACCOUNT, FTP_GROUP, reference))?;
        for account in &mut self.accounts {
            account.stored.group = groups.get(account.stored.group as usize).map_or(u32::MAX, |index| count(*index));
        }
        Ok(())
    }
}

impl Model {
    fn take(
        &mut self,
        object: &mut Object,
        position: Position,
        names: &FieldNames,
        room: &mut Room,
    ) -> Result<(), String> {
        let groups = match object.take("groups") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::List(items)) => items,
            Some(other) => return Err(other.is_not("groups", "a list")),
        };
        let groups = groups.into_iter().map(|item| item.into_reference("an item of groups"));
        let groups = groups.map(|group| self.groups.number(group?, position, room)).collect::<Result<_, String>>()?;
        let username = object.text(&names.username)?;
        let password = match object.require(&names.password)? {
            // No password is one that nothing matches.
            Value::Null => "!".into(),
            Value::Text(password) => password,
            other => return Err(other.is_not(&names.password, "a text")),
        };
        self.users.push(StoredUser {
            position,
            key: object.key()?,
            username,
            password,
            is_active: object.truth(&names.active, true)?,
            is_superuser: object.truth(&names.superuser, false)?,
            groups,
            account: None,
        });
        Ok(())
    }
}

fn ftp_group(object: &mut Object, position: Position) -> Result<FtpGroup, String> {
    Ok(FtpGroup {
        position,
        key: object.key()?,
        name: object.text("name")?,
        permission: object.text("permission")?,
        home: home(object)?,
    })
}

/// An empty home is none, as in Python.
fn home(object: &mut Object) -> Result<Option<Box<str>>, String> {
    Ok(object.optional_text("home_dir")?.filter(|home| !home.is_empty()))
}

fn check_names(users: &Users, model: &str) -> Result<(), Fault> {
    let same = users.users.windows(2).find_map(|pair| match pair {
        [one, other] if one.username == other.username => Some((one, other)),
        _ => None,
    });
    match same {
        // Sorting has left those with the same name in their order.
        Some((one, other)) => {
            Err(twice(model, &format!("username {}", shown(&one.username)), one.position, other.position))
        }
        None => Ok(()),
    }
}

/// Gives each user their account.
fn attach(accounts: Vec<PendingAccount>, users: &mut [StoredUser], model: &str) -> Result<Vec<StoredAccount>, Fault> {
    let mut by_key = HashMap::with_capacity(users.len());
    for (index, user) in users.iter().enumerate() {
        if let Some(key) = &user.key
            && let Some(other) = by_key.insert(key.clone(), index)
        {
            let other = users.get(other).map(|user| user.position).unwrap_or_default();
            let (first, second) = in_order(other, user.position);
            return Err(twice(model, &format!("pk {key}"), first, second));
        }
    }
    let mut attached: Vec<StoredAccount> = Vec::with_capacity(accounts.len());
    for PendingAccount { user, stored } in accounts {
        let index = match &user {
            Reference::Key(key) => by_key.get(key).copied(),
            Reference::Name(name) => users.binary_search_by(|user| user.username.cmp(name)).ok(),
        };
        let Some(owner) = index.and_then(|index| users.get_mut(index)) else {
            return Err(missing(stored.position, &format!("{FTP_ACCOUNT}, pk {}", stored.id), model, &user));
        };
        if let Some(other) = owner.account.and_then(|account| attached.get(account as usize)) {
            return Err(twice(
                FTP_ACCOUNT,
                &format!("user {}", shown(&owner.username)),
                other.position,
                stored.position,
            ));
        }
        owner.account = Some(count(attached.len()));
        attached.push(stored);
    }
    Ok(attached)
}

fn in_order(one: Position, other: Position) -> (Position, Position) {
    if one.object < other.object { (one, other) } else { (other, one) }
}

fn twice(model: &str, what: &str, first: Position, second: Position) -> Fault {
    let text = format!("there is another one with {what}: object {}, line {}", first.object, first.line);
    Fault::new(text).at(format!("{second} ({})", shown(model)))
}

fn missing(position: Position, model: &str, wanted: &str, reference: &Reference) -> Fault {
    let text = format!("its {} {reference} is not in the file; dump both together", shown(wanted));
    Fault::new(text).at(format!("{position} ({})", shown(model)))
}

/// A number of objects; a file of 512 MiB has fewer than fit.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
