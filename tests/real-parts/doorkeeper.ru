# A Rails application with one OAuth client, on Doorkeeper with SQLite in memory.
# ROTATION=grace gives the tokens table the column previous_refresh_token; strict does not.
require 'rails'
require 'active_record'
require 'action_controller/railtie'
require 'doorkeeper'

STDOUT.sync = true

class Provider < Rails::Application
  config.load_defaults 6.1
  config.eager_load = false
  config.secret_key_base = 'not a secret: this provider lives for one test run'
  config.hosts.clear
  config.logger = Logger.new(File::NULL)
  config.root = __dir__
end

ActiveRecord::Base.establish_connection(adapter: 'sqlite3', database: ':memory:', pool: 1)

class User < ActiveRecord::Base; end

Doorkeeper.configure do
  orm :active_record
  resource_owner_authenticator { User.first }
  use_refresh_token
  default_scopes :read
  force_ssl_in_redirect_uri false
  skip_authorization { ENV['CONSENT'] == 'off' }
end

Provider.initialize!

ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define do
  create_table(:users) { |t| t.string :name }
  create_table :oauth_applications do |t|
    t.string :name, null: false
    t.string :uid, null: false
    t.string :secret, null: false
    t.text :redirect_uri, null: false
    t.string :scopes, null: false, default: ''
    t.boolean :confidential, null: false, default: true
    t.timestamps
  end
  create_table :oauth_access_grants do |t|
    t.references :resource_owner, null: false
    t.references :application, null: false
    t.string :token, null: false
    t.integer :expires_in, null: false
    t.text :redirect_uri, null: false
    t.datetime :created_at, null: false
    t.datetime :revoked_at
    t.string :scopes, null: false, default: ''
    t.string :code_challenge
    t.string :code_challenge_method
  end
  create_table :oauth_access_tokens do |t|
    t.references :resource_owner
    t.references :application, null: false
    t.string :token, null: false
    t.string :refresh_token
    t.integer :expires_in
    t.datetime :revoked_at
    t.datetime :created_at, null: false
    t.string :scopes
    t.string :previous_refresh_token, null: false, default: '' if ENV['ROTATION'] == 'grace'
  end
end

class MeController < ActionController::API
  before_action :doorkeeper_authorize!

  def show
    render json: { id: doorkeeper_token.resource_owner_id }
  end
end

Provider.routes.draw do
  use_doorkeeper
  get '/api/me', to: 'me#show'
end

User.create!(name: 'customer')
Doorkeeper::Application.create!(
  name: 'integrator', uid: 'client-one', secret: 's3cret', redirect_uri: ENV.fetch('REDIRECT_URI')
)
# The thread that boots must give its connection back, or every request waits for it.
ActiveRecord::Base.clear_active_connections!

run Provider
